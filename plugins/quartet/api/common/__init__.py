"""Shared parts of the web APIs: authorization, body limits, errors, DAG runs, offline documentation."""
