"""The workflows' side of Airflow: from the context of a task to a pipeline with its dependencies."""
