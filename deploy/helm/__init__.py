"""What runs Quartet on Kubernetes: values for Airflow's official chart, manifests beside it, Spark's executors."""
