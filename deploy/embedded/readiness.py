"""Readiness of the platform: every component sends heartbeats, every DAG file has been parsed."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.instance import COMPONENTS, Instance
from deploy.embedded.supervision import Supervisor

DEADLINE_SECONDS = 240
MAX_DEATHS = 3
HAS_DAG = re.compile(r"^\s*(@dag\b|.*\bDAG\()", re.MULTILINE)
HEALTH = {
    "metadatabase": "database",
    "scheduler": "scheduler",
    "dag_processor": "dag-processor",
    "triggerer": "triggerer",
}


@dataclass
class Readiness:
    """Components and DAG files that are not ready yet, and DAG files that cannot be imported."""

    waiting_for: list[str] = field(default_factory=list)
    import_errors: dict[str, str] = field(default_factory=dict)


def client(instance: Instance) -> httpx.Client:
    """Return an HTTP client for the platform that bypasses any proxy."""
    return httpx.Client(base_url=instance.url, timeout=10, trust_env=False)


def wait(
    instance: Instance,
    supervisor: Supervisor,
    since: datetime,
    report: Callable[[Readiness], None],
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Readiness:
    """
    Wait until everything is ready.

    Args:
        since: when the components were started; an older heartbeat is one of their predecessors'.
        report: called after every check.

    Raises:
        EmbeddedError: a component keeps dying, or the deadline has passed; the message has its last log lines.
    """
    deadline = time.monotonic() + deadline_seconds
    deaths = supervisor.restarts()
    warm = False
    with client(instance) as http:
        while True:
            found = check(instance, http, since)
            report(found)
            if not warm and COMPONENTS[0] not in found.waiting_for:
                # the API for tasks is built at its first request, which takes seconds that the first task is spared
                warm = _get(http, "/execution/health", timeout_seconds=60) is not None
            elif not found.waiting_for:
                return found
            for name, count in supervisor.restarts().items():
                if count - deaths[name] >= MAX_DEATHS:
                    raise EmbeddedError(f"{name} keeps dying. {last_lines(instance, name)}")
            if time.monotonic() > deadline:
                culprit = next((name for name in COMPONENTS if name in found.waiting_for), COMPONENTS[0])
                missing = ", ".join(found.waiting_for)
                raise EmbeddedError(
                    f"not ready after {deadline_seconds:.0f} s, missing: {missing}. {last_lines(instance, culprit)}"
                )
            time.sleep(0.2)


def check(instance: Instance, http: httpx.Client, since: datetime) -> Readiness:
    """Check the health of the components and the DAG files once."""
    health = _get(http, "/api/v2/monitor/health")
    if health is None:
        return Readiness(waiting_for=list(COMPONENTS))
    waiting_for = [name for key, name in HEALTH.items() if not _beats(key, health.get(key) or {}, since)]
    if "database" in waiting_for or "dag-processor" in waiting_for:
        return Readiness(waiting_for)
    parsed, errors = _parsed(http, since)
    unread = sorted(dag_files(instance.root / "dags") - parsed - set(errors))
    return Readiness([*waiting_for, *(f"dags/{name}" for name in unread)], errors)


def dag_files(folder: Path) -> set[str]:
    """Return the names of the files below *folder* whose text defines a DAG."""
    files = (path for path in folder.rglob("*.py") if HAS_DAG.search(path.read_text(errors="replace")))
    return {path.relative_to(folder).as_posix() for path in files}


def last_lines(instance: Instance, component: str, count: int = 20) -> str:
    """Return the last lines of a component's log, for a message."""
    path = instance.logs / f"{component}.log"
    lines = path.read_text(errors="replace").splitlines()[-count:] if path.exists() else []
    return "\n".join([f"The end of {path}:", *(f"  {line}" for line in lines)])


def _parsed(http: httpx.Client, since: datetime) -> tuple[set[str], dict[str, str]]:
    dags = _get(http, "/api/v2/dags?limit=1000") or {"dags": []}
    errors = _get(http, "/api/v2/importErrors?limit=1000") or {"import_errors": []}
    parsed = {each["relative_fileloc"] for each in dags["dags"] if _later(each["last_parsed_time"], since)}
    return parsed, {
        str(each["filename"]): str(each["stack_trace"]).strip().splitlines()[-1]
        for each in errors["import_errors"]
        if _later(each["timestamp"], since)
    }


def _beats(key: str, health: dict[str, Any], since: datetime) -> bool:
    if health.get("status") != "healthy":
        return False
    return key == "metadatabase" or _later(health.get(f"latest_{key}_heartbeat"), since)


def _later(instant: str | None, since: datetime) -> bool:
    if not instant:
        return False
    moment = datetime.fromisoformat(instant)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) >= since


def _get(http: httpx.Client, path: str, timeout_seconds: float = 10) -> Any:
    """Return the JSON at *path*; None while the server does not answer with it."""
    try:
        reply = http.get(path, timeout=timeout_seconds)
        return reply.json() if reply.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError):
        return None
