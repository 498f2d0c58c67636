"""What Quartet computes: pure functions and small classes, without Airflow, wall clock or global state."""
