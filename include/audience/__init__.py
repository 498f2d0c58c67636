"""Audience labeling: which audience panel the author of each post belongs to."""
