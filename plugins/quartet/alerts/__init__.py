"""Alerts: notifications of failed runs and missed deadlines."""
