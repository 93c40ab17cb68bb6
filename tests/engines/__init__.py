"""The heart of the journey in three engines, each driven as itself: Chromium, Firefox and WebKit."""
