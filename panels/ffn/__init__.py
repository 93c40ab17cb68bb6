"""Panels of the feed-forward layers: neurons and what they write."""
