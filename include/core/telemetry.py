"""Definition of a metric. Each workflow registers its own; `docs/metrics.md` is generated from them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric; the collector receives it under Airflow's prefix, as `airflow.ratings.queue_files`."""

    unit: str
    """Unit of the value. Airflow's gauges carry none, so it is documented only here."""
    what: str
    worry: str = ""
    """When to investigate; empty for a metric that explains others and is no cause for alarm by itself."""
    tags: tuple[str, ...] = ()
    """Names of its tags."""


ALERTS: dict[str, Metric] = {
    "alerts.deadline_missed": Metric(
        "runs", "runs that did not finish in time, counted by the triggerer", "any", ("dag_id",)
    ),
}  # fmt: skip
"""Metrics that belong to no workflow: full name → metric."""
