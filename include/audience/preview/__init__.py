"""Preview of a rule change: how the results of a task would differ, without writing any."""
