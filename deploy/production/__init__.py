"""Parts of the production image that belong neither to Airflow nor to a workflow."""
