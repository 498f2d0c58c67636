"""Quartet's computations: pure functions and small classes, without Airflow, wall clock or global state."""
