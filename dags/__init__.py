"""When what runs: one file a DAG."""
