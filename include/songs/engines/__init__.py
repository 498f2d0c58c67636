"""The job of a day on DuckDB and on Spark: the same rules, metrics and files."""
