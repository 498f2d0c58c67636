"""Triggers: the waiting half of sensors and asset watchers."""
