"""What panels of several stages share."""
