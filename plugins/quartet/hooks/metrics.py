"""Metrics of the workflows, sent along with Airflow's own: same prefix, same transport, same switch."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from include.workflows import metrics as all_metrics

log = logging.getLogger(__name__)

Values = Mapping[str, float | None]


def send(
    workflow: str,
    values: Values | Callable[[], Values],
    tags: Mapping[str, str] | None = None,
    *,
    in_callback: bool = False,
) -> None:
    """
    Log metrics and, where QUARTET_OTEL_ENDPOINT is set, send them to the collector; errors are logged, never raised.

    Airflow exports the metrics when the task's process ends.

    :param workflow: first part of the names.
    :param values: last part of the name, such as `queue_files`, → value; unknown values (`None`, NaN) are left out. If
        measuring may fail, pass a function that returns the values: its errors are logged, too.
    :param tags: tags of all these metrics, such as the site.
    :param in_callback: whether this runs in the DAG processor or the triggerer instead of a task.
    """
    with log_errors(workflow):
        for name, value in (values() if callable(values) else values).items():
            if value is not None and math.isfinite(value):
                _send(f"{workflow}.{name}", value, dict(tags or {}), in_callback)


def count(workflow: str, name: str, tags: Mapping[str, str], *, in_callback: bool = False) -> None:
    """Increment a counter, in a long-lived process; otherwise like `send`."""
    with log_errors(workflow):
        _facade(in_callback).incr(f"{workflow}.{name}", tags=dict(tags))


@contextmanager
def log_errors(workflow: str) -> Iterator[None]:
    """Log an error raised while metrics are measured or sent, and continue after the block."""
    try:
        yield
    except Exception:
        log.warning("Metrics of %s were not sent", workflow, exc_info=True)


def _send(metric: str, value: float, tags: dict[str, str], in_callback: bool) -> None:
    log.info("metric %s=%s %s %s", metric, value, all_metrics()[metric].unit, tags or "")
    _facade(in_callback).gauge(metric, value, tags=tags)


def _facade(in_callback: bool):
    """Return the one of Airflow's two copies of this module that this process has initialised."""
    if in_callback:
        from airflow.observability.stats import Stats
    else:
        from airflow.sdk.observability.stats import Stats
    return Stats
