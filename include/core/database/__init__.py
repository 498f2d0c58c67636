"""Our own databases: engines, bulk reads and writes, errors that say whether a retry helps."""
