"""Sensors: look once, say what was seen, let go."""
