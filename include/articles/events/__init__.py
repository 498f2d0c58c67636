"""The events of a run: their archive, the extract of each object, the records in it."""
