"""Record of what the running platform was started with, for later commands; removed when it is stopped."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.embedded.instance import Instance
from deploy.settings import variables

PREFIXES = ("QUARTET_", "MLFLOW_", "AIRFLOW_")
"""Prefixes of variables that the platform reads besides its own settings."""


def write(instance: Instance, since: datetime, caller: Mapping[str, str] = os.environ) -> None:
    """Write the port, the time of the start and a digest of each setting."""
    content = {"port": instance.port, "since": since.isoformat(), "settings": _digests(instance, caller)}
    _path(instance).write_text(json.dumps(content, indent=1))


def remove(instance: Instance) -> None:
    """Remove the record."""
    _path(instance).unlink(missing_ok=True)


def running(instance: Instance) -> Instance:
    """Return the instance with the port that it was started on."""
    return replace(instance, port=_read(instance).get("port", instance.port))


def started(instance: Instance) -> datetime:
    """Return the time of the start; the minimum of datetime if it is unknown."""
    since = _read(instance).get("since")
    return datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)


def changed(instance: Instance, caller: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of the settings that have changed since the start."""
    old, new = _read(instance).get("settings"), _digests(instance, caller)
    if not isinstance(old, dict):
        return []
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _path(instance: Instance) -> Path:
    return instance.run / "platform.json"


def _read(instance: Instance) -> dict[str, Any]:
    try:
        content = json.loads(_path(instance).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _digests(instance: Instance, caller: Mapping[str, str]) -> dict[str, str]:
    known = variables()
    values = {name: value for name, value in caller.items() if name in known or name.startswith(PREFIXES)}
    dotenv = instance.root / ".env"
    if dotenv.exists():
        values[".env"] = dotenv.read_text(errors="replace")
    return {name: hashlib.sha256(value.encode()).hexdigest()[:16] for name, value in values.items()}
