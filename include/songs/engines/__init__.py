"""The job of a day on each engine, DuckDB and Spark: same rules, same metrics, same files."""
