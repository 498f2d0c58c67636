"""Operators of the workflows."""
