"""The DAGs, one per file."""
