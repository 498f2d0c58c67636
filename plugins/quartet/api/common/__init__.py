"""What the APIs share: authorization, body limits, errors, DAG runs."""
