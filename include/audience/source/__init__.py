"""The source: posts read by windows of time, and the result tables they belong to."""
