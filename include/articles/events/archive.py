"""The archive of events: the extracts of a run's objects, and the table of all events."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.articles.events import extracts
from include.articles.events.extracts import Extract
from include.articles.events.hosts import Hosts
from include.articles.events.listing import Listing, dates_of, list_events
from include.articles.events.records import READERS, SCHEMA, TEXT, frame
from include.articles.settings import ArticleSettings, events_root
from include.core.errors import BadDataError, SettingsError
from include.core.storage import StoragePath, walk_objects

log = logging.getLogger(__name__)

THREADS = 8
"""Objects read at a time; most of the time is spent waiting for S3."""
Manifest = dict[str, Any]
Progress = Callable[[int, int], None]


class NoEventsError(BadDataError):
    """There is no usable event."""


class TooManyBadLinesError(BadDataError):
    """A larger share of lines is unreadable than the settings allow."""


class TooManyBadFilesError(TooManyBadLinesError):
    """A larger share of objects is unreadable than the settings allow."""


class ReplacedEventsError(BadDataError):
    """An object of the run was deleted or replaced, and its extract no longer exists."""


def events_url(location: str) -> str:
    """
    Return the URL of the root of the events, without a trailing slash.

    Args:
        location: `s3://bucket/prefix`, `file:///path`, or the name of an S3 bucket.

    Raises:
        SettingsError: *location* is something else.
    """
    try:
        return events_root(location)
    except ValueError as error:
        name = ArticleSettings.variable("ga_data_bucket")
        raise SettingsError(f"{name}: {error}, found {location!r}") from None


def collect(
    root: StoragePath,
    folder: StoragePath,
    run_at: datetime,
    settings: ArticleSettings,
    progress: Progress | None = None,
    hosts: Hosts | None = None,
) -> Manifest:
    """
    Read the event objects of a run that have not been read before, and describe all of them.

    Args:
        root: root of the events.
        folder: folder of the extracts.
        run_at: instant of the run, with zone.
        settings: `days_of_data` and `max_bad_line_ratio` are used.
        progress: called with the number of objects read so far and the number to read.
        hosts: hosts whose events are read, besides events without a host; `None`: all.

    Returns:
        The manifest of `extract`.

    Raises:
        TooManyBadLinesError: more lines are unreadable than `max_bad_line_ratio` allows.
        TooManyBadFilesError: several objects are unreadable, and more of them, or of the bytes, than it allows.
        NoEventsError: there is not a single row.
        OSError: three attempts to read an object failed.
    """
    listing = list_events(root, run_at, settings.days_of_data)
    manifest = extract(root, listing, folder, progress, hosts)
    counts = {name: value for name, value in manifest.items() if name != "extracts"}
    log.info("%s, %d dates: %s", root, settings.days_of_data, counts)
    _check(root, listing.dates, manifest, settings.max_bad_line_ratio, hosts)
    return manifest


def extract(
    root: StoragePath,
    listing: Listing,
    folder: StoragePath,
    progress: Progress | None = None,
    hosts: Hosts | None = None,
) -> Manifest:
    """
    Write the missing extracts.

    An object that was deleted after it was listed is left out, as if it had been deleted before.

    Returns:
        The manifest: `extracts` (name of each extract that has rows → name of its object below *root*); `files` (all
        that may hold events), `new_files` (read now), `bad_files` (not whole gzip, or archived), `archived_files`
        (those of them that have to be restored first), `empty_files`, `ignored_files`; `bytes` of all `files`,
        `bad_bytes` of `bad_files`; `lines`, `bad_lines`, `anonymous` (without reader), `foreign` (of other hosts),
        `rows`; `worst_file` (`name`,
        `lines` and `bad_lines` of the object with the most bad lines, empty if none has any); `bad_file` and
        `ignored_file`, the name of the first such object.

    Raises:
        OSError: three attempts to read an object failed.
    """
    keys = {name: extracts.key_of(name, stored, hosts) for name, stored in listing.objects.items()}
    by_key: dict[str, Extract] = {}
    for day in listing.dates:
        by_key |= extracts.existing(folder, day)
    missing = {name: key for name, key in keys.items() if key not in by_key}
    for done, (key, new) in enumerate(_make(root, missing, folder, hosts), start=1):
        if new:
            by_key[key] = new
        if progress:
            progress(done, len(missing))
    found = {name: by_key[key] for name, key in keys.items() if key in by_key}
    totals = ("rows", "lines", "bad_lines", "anonymous", "foreign")
    bad = [name for name, each in found.items() if not each.readable]
    return {
        "files": len(found),
        "new_files": sum(name in found for name in missing),
        "bad_files": len(bad),
        "archived_files": sum(found[name].archived for name in bad),
        "bad_file": bad[0] if bad else "",
        "empty_files": listing.empty_files,
        "ignored_files": len(listing.ignored),
        "ignored_file": listing.ignored[0] if listing.ignored else "",
        "bytes": sum(listing.objects[name].size for name in found),
        "bad_bytes": sum(listing.objects[name].size for name in bad),
        **{total: sum(getattr(each, total) for each in found.values()) for total in totals},
        "worst_file": _worst(found),
        "extracts": {each.name: name for name, each in found.items() if each.rows},
    }


def _make(
    root: StoragePath, missing: Mapping[str, str], folder: StoragePath, hosts: Hosts | None
) -> Iterator[tuple[str, Extract | None]]:
    pool = ThreadPoolExecutor(THREADS, "extract")
    try:
        futures = {pool.submit(extracts.make, root / name, key, folder, hosts): key for name, key in missing.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _worst(found: Mapping[str, Extract]) -> dict[str, Any]:
    name = max(found, key=lambda name: found[name].bad_lines, default="")
    if not name or not found[name].bad_lines:
        return {}
    return {"name": name, "lines": found[name].lines, "bad_lines": found[name].bad_lines}


def _check(
    root: StoragePath, dates: Sequence[date], manifest: Manifest, max_bad_line_ratio: float, hosts: Hosts | None
) -> None:
    if manifest["ignored_files"]:
        log.warning(
            "%d objects are ignored, because their names do not end in .gz, such as %s",
            manifest["ignored_files"],
            manifest["ignored_file"],
        )
    _check_lines(root, manifest, max_bad_line_ratio)
    _check_files(root, manifest, max_bad_line_ratio)
    if not manifest["rows"]:
        names = ("files", "bad_files", "lines", "anonymous", "foreign", "empty_files", "ignored_files")
        counts = ", ".join(f"{name} {manifest[name]}" for name in names)
        reader = READERS[hosts.format if hosts else "amp"]
        raise NoEventsError(
            f"no event with a reader and a time was delivered below {root} on {dates[0]} to {dates[-1]}: {counts}. "
            f"The time is collector_tstamp, the reader is {reader}, the host, if any, is page_urlhost"
            f"{', one of ' + ', '.join(hosts.names) if hosts else ''}; names of objects end in .gz"
        )


def _check_lines(root: StoragePath, manifest: Manifest, max_bad_line_ratio: float) -> None:
    lines, bad, worst = manifest["lines"], manifest["bad_lines"], manifest["worst_file"]
    if lines and bad / lines > max_bad_line_ratio:
        raise TooManyBadLinesError(
            f"{bad} of {lines} event lines below {root} are unreadable ({bad / lines:.4%}); at most "
            f"{max_bad_line_ratio:.4%} are allowed ({ArticleSettings.variable('max_bad_line_ratio')}). The worst "
            f"object is {worst['name']}: {worst['bad_lines']} of {worst['lines']}"
        )


def _check_files(root: StoragePath, manifest: Manifest, max_bad_line_ratio: float) -> None:
    """Check that not too many objects are unreadable; a single one may always be."""
    files, bad = manifest["files"], manifest["bad_files"]
    share = max(bad / files, manifest["bad_bytes"] / manifest["bytes"]) if bad > 1 else 0
    if share > max_bad_line_ratio:
        archived = f", {manifest['archived_files']} of them archived" if manifest["archived_files"] else ""
        raise TooManyBadFilesError(
            f"{bad} of {files} event objects below {root} are unreadable{archived} ({manifest['bad_bytes']:,} of "
            f"{manifest['bytes']:,} bytes), such as {manifest['bad_file']}; at most {max_bad_line_ratio:.4%} are "
            f"allowed ({ArticleSettings.variable('max_bad_line_ratio')})"
        )


def load(
    root: StoragePath,
    folder: StoragePath,
    manifest: Manifest,
    run_at: datetime,
    settings: ArticleSettings,
    hosts: Hosts | None = None,
) -> pd.DataFrame:
    """
    Read the events of a run from its extracts; an extract that was deleted is made again.

    Args:
        root: root of the events.
        folder: folder of the extracts.
        manifest: the manifest of `collect`.
        run_at: instant of the run, with zone; later events are left out.
        settings: `days_of_data` is used; events before the first of these dates are left out.
        hosts: as for `collect`.

    Returns:
        The table of `records.frame`, in no particular order.

    Raises:
        NoEventsError: no event lies between the first date and *run_at*.
        ReplacedEventsError: a deleted extract cannot be made again.
        OSError: three attempts to read an object failed.
    """
    first = datetime.combine(dates_of(run_at, settings.days_of_data)[0], time.min, UTC)

    def read(name: str, source: str) -> pa.Table:
        rows = extracts.load(folder / name)
        return _make_again(root, source, name, folder, hosts) if rows is None else rows

    with ThreadPoolExecutor(THREADS, "load") as pool:
        tables = pool.map(read, manifest["extracts"].keys(), manifest["extracts"].values())
        found = pa.concat_tables([SCHEMA.empty_table(), *tables])
    found = found.filter((pc.field("activity_time") >= first) & (pc.field("activity_time") <= run_at.astimezone(UTC)))
    log.info("%d of %d events are from %s to %s", len(found), manifest["rows"], first, run_at)
    if not len(found):
        raise NoEventsError(f"none of {manifest['rows']} events is from {first} to {run_at}")
    return frame(found)


def _make_again(root: StoragePath, source: str, name: str, folder: StoragePath, hosts: Hosts | None) -> pa.Table:
    # not `find_object`: some stores report a less precise time of change there than in a listing
    stored = walk_objects((root / source).parent).get(source.rpartition("/")[2])
    if stored is None or not name.startswith(extracts.key_of(source, stored, hosts)):
        state = "was deleted" if stored is None else "was replaced"
        raise ReplacedEventsError(
            f"{root / source} {state} during the run, and its extract is gone: clear the whole run"
        )
    made = extracts.make(root / source, extracts.key_of(source, stored, hosts), folder, hosts)
    if made and made.archived:
        raise ReplacedEventsError(f"{root / source} was archived during the run, and its extract is gone: restore it")
    rows = extracts.load(folder / name) if made else None
    if rows is None:
        raise OSError(f"{folder / name} is missing or damaged although it was just written")
    return rows


def fetch_data(
    storage: StoragePath, site: str, run_at: datetime, days: int, max_bad_line_ratio: float = 0.05
) -> pd.DataFrame:
    """
    Read all events at once, without keeping extracts.

    Args:
        storage: root of the events, all of one site.
        site: name of the site, for the log.
        run_at: instant of the run, with zone.
        days: number of UTC dates to read; the last is that of *run_at*.
        max_bad_line_ratio: allowed share of unreadable lines, 0 to 1.

    Returns:
        The table of `records.transform_raw_data`, in no particular order.

    Raises:
        TooManyBadLinesError, NoEventsError, OSError: as `collect` and `load`.
    """
    log.info("%s: reading %d dates of events", site, days)
    settings = ArticleSettings.load(days_of_data=days, max_bad_line_ratio=max_bad_line_ratio)
    with tempfile.TemporaryDirectory() as folder:
        manifest = collect(storage, Path(folder), run_at, settings)
        return load(storage, Path(folder), manifest, run_at, settings).astype(TEXT)
