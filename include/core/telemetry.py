"""What a metric is. Each workflow lists its own in its registration; `docs/metrics.md` is made from them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric; the collector gets it under Airflow's prefix, as `airflow.ratings.queue_files`."""

    unit: str
    """Of its value; Airflow's gauges carry none, so this is the only place that tells it."""
    what: str
    worry: str = ""
    """When somebody should look; empty: it explains others, and is no cause for alarm by itself."""
    tags: tuple[str, ...] = ()
    """Names of its tags."""


ALERTS: dict[str, Metric] = {
    "alerts.deadline_missed": Metric(
        "runs", "runs that were not finished in time, counted by the triggerer", "any", ("dag_id",)
    ),
}  # fmt: skip
"""Metrics of no workflow: full name → metric."""
