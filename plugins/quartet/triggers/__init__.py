"""Triggers: the asynchronous, waiting part of sensors and asset watchers."""
