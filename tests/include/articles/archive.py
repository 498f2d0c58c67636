"""Small archives of events, for the tests."""

import gzip
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from include.core.storage import StoragePath, write_whole

RUN_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
CONTEXT = "contexts_dev_amp_snowplow_amp_id_1"


def record(
    client: str | None = "amp-1", path: str | None = "/article/101/alpha/", time: str = "2026-03-10T11:00:00.000Z"
) -> dict[str, Any]:
    """Build a record as the collector delivers it, with the relevant fields."""
    contexts = [{"ampClientId": client, "domainUserid": "", "userId": ""}] if client is not None else None
    return {"app_id": "washington-city-paper", "collector_tstamp": time, "page_urlpath": path, CONTEXT: contexts}


def lines(records: Iterable[Mapping[str, Any] | bytes]) -> bytes:
    """Write records as JSON lines; bytes stay as they are."""
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in records)


def name(number: int = 0, hour: str = "2026/03/10/11") -> str:
    """Return the name of a delivered object."""
    return f"enriched/good/{hour}/Stream-Enrich-1-{hour.replace('/', '-')}-00-{number:02}-9ba9d07a-bb8d.gz"


def put(root: StoragePath, name: str, records: Iterable[Mapping[str, Any] | bytes]) -> None:
    """Write an object of the archive."""
    write_whole(root / name, gzip.compress(lines(records), 1, mtime=0))
