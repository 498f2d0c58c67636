"""Airflow's side of the platform: hooks, sensors, triggers, workflows' steps, web apps."""
