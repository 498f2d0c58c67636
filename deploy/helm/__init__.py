"""Quartet on Kubernetes: values for Airflow's official chart, additional manifests, and Spark's executors."""
