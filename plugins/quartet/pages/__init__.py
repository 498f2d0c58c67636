"""Pages for people in Airflow's web UI: the overview, and the app that mounts the pages of all workflows."""
