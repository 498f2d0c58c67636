"""Trained models: algorithms, training, the champion, model selection."""
