"""Movie ratings: versioned data, training, prediction, model selection."""
