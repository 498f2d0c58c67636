"""One module a system: connections in front of the pure functions in `include`."""
