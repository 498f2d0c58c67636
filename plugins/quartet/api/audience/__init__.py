"""The audience labeling API."""
