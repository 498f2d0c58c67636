"""How Airflow meets the outside world: hooks, sensors, triggers, web apps."""
