"""Our own databases: engines, bulk reads and writes, and the classification of errors."""
