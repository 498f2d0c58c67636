"""Ratings as they arrive and as models are trained on them."""
