"""Predictions: files of pairs in, files of ratings out."""
