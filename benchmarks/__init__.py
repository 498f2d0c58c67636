"""Measurements: one script a workflow, run by `make bench`; the numbers are in docs/benchmarks.md."""
