"""Figures of the workflows, among Airflow's own metrics: the same prefix, transport and switch."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from include.workflows import metrics as all_metrics

log = logging.getLogger(__name__)

Figures = Mapping[str, float | None]


def send(
    workflow: str,
    figures: Figures | Callable[[], Figures],
    tags: Mapping[str, str] | None = None,
    *,
    in_callback: bool = False,
) -> None:
    """
    Give figures to the log and, where QUARTET_OTEL_ENDPOINT is set, to the collector; it is never worth a failed task.

    A task's process is short: Airflow sends what it holds when the process ends.

    :param workflow: first part of the names.
    :param figures: last part of the name → value, such as `queue_files`; one that is not known is left out. What takes
        work to find out comes as a function, whose errors are logged, too.
    :param tags: of all of them, such as the site.
    :param in_callback: this runs in the DAG processor or the triggerer, not in a task.
    """
    with harmless(workflow):
        for name, value in (figures() if callable(figures) else figures).items():
            if value is not None and math.isfinite(value):
                _send(f"{workflow}.{name}", value, dict(tags or {}), in_callback)


def count(workflow: str, name: str, tags: Mapping[str, str], *, in_callback: bool = False) -> None:
    """Count one more of something, in a process that lives long; otherwise like `send`."""
    with harmless(workflow):
        _facade(in_callback).incr(f"{workflow}.{name}", tags=dict(tags))


@contextmanager
def harmless(workflow: str) -> Iterator[None]:
    """Log an error that comes up while figures are put together, and go on after the block."""
    try:
        yield
    except Exception:
        log.warning("Figures of %s were not sent", workflow, exc_info=True)


def _send(metric: str, value: float, tags: dict[str, str], in_callback: bool) -> None:
    log.info("metric %s=%s %s %s", metric, value, all_metrics()[metric].unit, tags or "")
    _facade(in_callback).gauge(metric, value, tags=tags)


def _facade(in_callback: bool):
    """Give the one of Airflow's two copies of this module that the process has set up."""
    if in_callback:
        from airflow.observability.stats import Stats
    else:
        from airflow.sdk.observability.stats import Stats
    return Stats
