"""Records of the event stream: which of them are rows, and the table of the rows.

A record without a readable time is bad; one without a reader is anonymous; any other is a row, page views and pings
alike. The formats are Snowplow's: `amp`, JSON lines whose reader is that of AMP pages; `json`, JSON lines whose reader
is that of any tracker; `tsv`, the enriched event as 131 fields separated by tabs.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from include.articles.events.hosts import Hosts

EVENT_CATEGORY, EVENT_ACTION = "snowplow_amp_page_ping", "impression"
SCHEMA = pa.schema(
    [
        ("client_id", pa.dictionary(pa.int32(), pa.string())),
        ("landing_page_path", pa.dictionary(pa.int32(), pa.string())),  # null: the event has none
        ("activity_time", pa.timestamp("ms", "UTC")),
    ]
)
TEXT = {"landing_page_path": "str", "client_id": "str"}
"""Types of the text columns in a small table; in a large one they are categories."""
READERS = {
    "amp": "ampClientId of the first of contexts_dev_amp_snowplow_amp_id_1",
    "json": "ampClientId as in `amp`, or else domain_userid",
    "tsv": "domain_userid, the 16th field",
}
"""Format → where an event has its reader."""
TSV_FIELDS = 131
"""Number of fields of an enriched event; see Snowplow's canonical event model."""
_TIME, _READER, _HOST, _PATH = 3, 15, 33, 35
TIME_KEY = b'"collector_tstamp"'
BOM = b"\xef\xbb\xbf"
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


class Event(msgspec.Struct, gc=False):
    """The fields of a record that are used; the decoder skips all others without building them."""

    collector_tstamp: datetime
    """RFC 3339; a time without offset is UTC."""
    page_urlhost: object = None
    page_urlpath: object = None
    contexts_dev_amp_snowplow_amp_id_1: object = None
    domain_userid: object = None


class Rows:
    """
    Collects rows, and counts the records that are not rows.

    Args:
        hosts: hosts whose records are read, besides those without a host; `None`: all.
        format: one of `READERS`.
    """

    def __init__(self, hosts: Hosts | None = None, format: str = "amp") -> None:
        self.lines = self.bad_lines = self.anonymous = 0
        self._include = hosts.include if hosts else _include_all
        self._read = _decode_tsv if format == "tsv" else _decode_line
        self._of_any_tracker = format != "amp"
        self._client_ids: list[str] = []
        self._paths: list[str | None] = []
        self._times: list[int] = []

    def add_lines(self, lines: Iterable[bytes]) -> None:
        """Read lines; blank lines are not counted, a bad line counts as each of the records that it holds."""
        self._add(self._read, filter(bytes.strip, lines))

    def add_records(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Read records that are already parsed."""
        self._add(_convert, records)

    def take(self) -> pa.Table:
        """Return the rows added since the last call, with the columns of `SCHEMA`."""
        columns = [pa.array(self._client_ids, pa.string()), pa.array(self._paths, pa.string()), pa.array(self._times)]
        self._client_ids, self._paths, self._times = [], [], []
        return pa.table([each.cast(type) for each, type in zip(columns, SCHEMA.types, strict=True)], SCHEMA)

    def _add(self, read: Callable[[Any], Event], records: Iterable[Any]) -> None:
        own: object = None  # the last host that is read: most records have the same
        for record in records:
            self.lines += 1
            try:
                event = read(record)
            except UNREADABLE as error:
                self._count_bad(record, error)
                continue
            if event.page_urlhost != own:
                if isinstance(event.page_urlhost, str) and not self._include(event.page_urlhost):
                    continue
                own = event.page_urlhost
            client_id = _client_id(event.contexts_dev_amp_snowplow_amp_id_1)
            if client_id is None and self._of_any_tracker:
                client_id = _text(event.domain_userid)
            if client_id is None:
                self.anonymous += 1
                continue
            path, time = event.page_urlpath, event.collector_tstamp
            if time.tzinfo is None:
                time = time.replace(tzinfo=UTC)
            self._client_ids.append(client_id)
            self._paths.append(path if isinstance(path, str) else None)
            self._times.append((time - _EPOCH) // _MILLISECOND)

    def _count_bad(self, record: Any, error: Exception) -> None:
        records = 1
        if isinstance(record, bytes) and not isinstance(error, msgspec.ValidationError):  # it is no JSON
            records = max(record.count(TIME_KEY), 1) if record.removeprefix(BOM).strip() else 0
        self.lines += records - 1
        self.bad_lines += records


_decode = msgspec.json.Decoder(Event).decode


def _include_all(_: str) -> bool:
    return True


def _decode_line(line: bytes) -> Event:
    try:
        return _decode(line)
    except UNREADABLE:
        if not line.startswith(BOM):
            raise
        return _decode(line.removeprefix(BOM))


def _decode_tsv(line: bytes) -> Event:
    """
    Return the event of a line of `TSV_FIELDS` fields.

    Raises:
        DecodeError: it has another number of fields, or no readable time.
    """
    fields = line.removeprefix(BOM).rstrip(b"\r\n").split(b"\t")
    if len(fields) != TSV_FIELDS:
        raise msgspec.DecodeError(f"{TSV_FIELDS} fields were expected, found {len(fields)}")
    time, reader, host, path = (fields[place].decode() for place in (_TIME, _READER, _HOST, _PATH))
    try:
        return Event(datetime.fromisoformat(time), host or None, path or None, domain_userid=reader)
    except ValueError as error:
        raise msgspec.DecodeError(f"a time was expected, found {time[:40]!r}") from error


def is_record(line: bytes, format: str = "amp") -> bool:
    """Check that a line is a whole record with a readable time."""
    try:
        (_decode_tsv if format == "tsv" else _decode_line)(line)
    except UNREADABLE:
        return False
    return True


def _convert(record: Any) -> Event:
    return _decode(msgspec.json.encode(record))  # one decoder, so that what is bad in a line is bad here, too


def _client_id(contexts: object) -> str | None:
    """Return the reader named by the first context, if any."""
    if isinstance(contexts, list) and contexts and isinstance(contexts[0], dict):
        return _text(contexts[0].get("ampClientId"))
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def transform_raw_data(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """
    Build the table of events from records.

    Args:
        records: the parsed JSON lines.

    Returns:
        One row per record with a reader and a readable time, in their order:
        `activity_time` (instant in UTC, to the ms), `session_date` (midnight of its UTC date, without zone),
        `landing_page_path` (text, may be missing), `client_id` (text), `event_category` and `event_action` (categories,
        the same in every row).
    """
    rows = Rows()
    rows.add_records(records)
    return frame(rows.take()).astype(TEXT)


def frame(rows: pa.Table) -> pd.DataFrame:
    """
    Build the table of events from rows with the columns of `SCHEMA`.

    Returns:
        The columns of `transform_raw_data`; `landing_page_path` and `client_id` are categorical, with only the
        categories that occur, sorted.
    """
    milliseconds = pd.Series(rows["activity_time"].cast(pa.int64()).to_numpy())
    times = milliseconds.astype("datetime64[ms]")
    same = np.zeros(len(rows), np.int8)
    return pd.DataFrame(
        {
            "activity_time": times.dt.tz_localize("UTC"),
            "session_date": times.dt.floor("D"),
            "landing_page_path": _categories(rows["landing_page_path"]),
            "client_id": _categories(rows["client_id"]),
            "event_category": pd.Categorical.from_codes(same, pd.Index([EVENT_CATEGORY])),
            "event_action": pd.Categorical.from_codes(same, pd.Index([EVENT_ACTION])),
        }
    )


def _categories(column: pa.ChunkedArray) -> pd.Categorical:
    chunks = column.unify_dictionaries().chunks
    texts = chunks[0].dictionary.to_pylist() if chunks else []
    codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in chunks] or [np.array([], np.int32)])
    used = np.bincount(codes + 1, minlength=len(texts) + 1)[1:] > 0
    kept = sorted(np.flatnonzero(used).tolist(), key=texts.__getitem__)
    place = np.full(len(texts) + 1, -1, np.int32)  # its last element is the place of -1, a missing text
    place[kept] = np.arange(len(kept))
    return pd.Categorical.from_codes(place[codes], pd.Index([texts[each] for each in kept], dtype="str"))
