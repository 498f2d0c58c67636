"""What runs Quartet beyond one process tree: the parts of the image that are neither Airflow's nor a workflow's."""
