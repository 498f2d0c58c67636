"""Sensors: check once, log what was found, defer."""
