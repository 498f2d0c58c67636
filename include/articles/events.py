"""The events of a run: which objects they are in, what of them is extracted, the table of all of them.

Objects lie below `enriched/good/YYYY/MM/DD/`, by the UTC date of delivery; events are dated by their own time.
"""

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.articles import extracts
from include.articles.extracts import Extract
from include.articles.records import SCHEMA, TEXT, frame
from include.articles.settings import ArticleSettings
from include.core.errors import BadDataError, SettingsError
from include.core.storage import StoragePath, StoredObject, walk_objects

log = logging.getLogger(__name__)

THREADS = 8
"""Objects read at a time: in S3 most of the time is waiting."""
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
Manifest = dict[str, Any]
Progress = Callable[[int, int], None]


class NoEventsError(BadDataError):
    """No usable event is left."""


class TooManyBadLinesError(BadDataError):
    """More lines are unreadable than the settings allow."""


class ReplacedEventsError(BadDataError):
    """An object that a run began with is gone or was replaced, and its extract is gone, too."""


@dataclass(frozen=True)
class Listing:
    """The objects of some dates that could hold events."""

    dates: list[date]
    """UTC dates of delivery."""
    objects: dict[str, StoredObject]
    """Name below the root → object."""
    ignored_files: int
    """How many others have names that do not end in `.gz`."""
    empty_files: int
    """How many others have zero bytes."""


def events_url(location: str) -> str:
    """
    Give the URL of the root of events, without a trailing slash.

    Args:
        location: `s3://bucket/prefix`, `file:///path`, or the name of an S3 bucket.

    Raises:
        SettingsError: it is something else.
    """
    if re.fullmatch(r"s3://[^/]+(/.*)?|file:///.+", location, re.DOTALL):
        return location.rstrip("/")
    if BUCKET.fullmatch(location):
        return f"s3://{location}"
    name = ArticleSettings.variable("ga_data_bucket")
    raise SettingsError(f"{name}: s3://bucket/prefix, file:///path or a bucket was expected, found {location!r}")


def dates_of(run_at: datetime, days: int) -> list[date]:
    """Give the *days* UTC dates that end with that of *run_at*, an instant with its zone."""
    if run_at.tzinfo is None:
        raise ValueError(f"an instant with its zone was expected, found {run_at.isoformat()}")
    last = run_at.astimezone(UTC).date()
    return [last - timedelta(days=ago) for ago in range(days)][::-1]


def list_events(root: StoragePath, run_at: datetime, days: int) -> Listing:
    """List the objects delivered on the *days* UTC dates that end with that of *run_at*."""
    dates = dates_of(run_at, days)
    found: dict[str, StoredObject] = {}
    for folder in (f"enriched/good/{day:%Y/%m/%d}" for day in dates):
        found |= {f"{folder}/{name}": stored for name, stored in walk_objects(root / folder).items()}
    named = {name: stored for name, stored in found.items() if name.endswith(".gz")}
    objects = {name: stored for name, stored in named.items() if stored.size}
    return Listing(dates, objects, ignored_files=len(found) - len(named), empty_files=len(named) - len(objects))


def collect(
    root: StoragePath,
    folder: StoragePath,
    run_at: datetime,
    settings: ArticleSettings,
    progress: Progress | None = None,
) -> Manifest:
    """
    Read the event objects of a run that have not been read yet; say what all of them hold.

    Args:
        root: root of the events.
        folder: where the extracts are kept.
        run_at: instant of the run, with zone.
        settings: `days_of_data` and `max_bad_line_ratio` count.
        progress: told how many objects have been read, and how many there are to read.

    Returns:
        What `extract` gives.

    Raises:
        TooManyBadLinesError: more lines are unreadable than `max_bad_line_ratio` allows.
        NoEventsError: there is no row at all.
        OSError: an object could not be read, three times.
    """
    listing = list_events(root, run_at, settings.days_of_data)
    manifest = extract(root, listing, folder, progress)
    counts = {name: value for name, value in manifest.items() if name != "extracts"}
    log.info("%s, %d dates: %s", root, settings.days_of_data, counts)
    _check(root, listing.dates, manifest, settings.max_bad_line_ratio)
    return manifest


def extract(root: StoragePath, listing: Listing, folder: StoragePath, progress: Progress | None = None) -> Manifest:
    """
    Make the extracts that are missing.

    An object that was deleted since it was listed is left out, as if it had been deleted before.

    Returns:
        `extracts`: name of each extract that has rows → name of its object below *root*; `files` (objects that could
        hold events), `new_files` (read now), `bad_files` (not whole gzip), `empty_files`, `ignored_files`; `lines`,
        `bad_lines`, `anonymous` (without reader), `rows`; `worst_file`: `name`, `lines` and `bad_lines` of the object
        with most bad lines, empty if none has any.

    Raises:
        OSError: an object could not be read, three times.
    """
    keys = {name: extracts.key(name, stored) for name, stored in listing.objects.items()}
    known: dict[str, Extract] = {}
    for day in listing.dates:
        known |= extracts.known(folder, day)
    missing = {name: key for name, key in keys.items() if key not in known}
    for done, (key, made) in enumerate(_made(root, missing, folder), start=1):
        if made:
            known[key] = made
        if progress:
            progress(done, len(missing))
    found = {name: known[key] for name, key in keys.items() if key in known}
    totals = ("rows", "lines", "bad_lines", "anonymous")
    return {
        "files": len(found),
        "new_files": sum(name in found for name in missing),
        "bad_files": sum(not each.readable for each in found.values()),
        "empty_files": listing.empty_files,
        "ignored_files": listing.ignored_files,
        **{total: sum(getattr(each, total) for each in found.values()) for total in totals},
        "worst_file": _worst(found),
        "extracts": {each.name: name for name, each in found.items() if each.rows},
    }


def _made(root: StoragePath, missing: Mapping[str, str], folder: StoragePath) -> Iterator[tuple[str, Extract | None]]:
    pool = ThreadPoolExecutor(THREADS, "extract")
    try:
        futures = {pool.submit(extracts.make, root / name, key, folder): key for name, key in missing.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _worst(found: Mapping[str, Extract]) -> dict[str, Any]:
    name = max(found, key=lambda name: found[name].bad_lines, default="")
    if not name or not found[name].bad_lines:
        return {}
    return {"name": name, "lines": found[name].lines, "bad_lines": found[name].bad_lines}


def _check(root: StoragePath, dates: Sequence[date], manifest: Manifest, max_bad_line_ratio: float) -> None:
    lines, bad, worst = manifest["lines"], manifest["bad_lines"], manifest["worst_file"]
    if lines and bad / lines > max_bad_line_ratio:
        raise TooManyBadLinesError(
            f"{bad} of {lines} event lines below {root} are unreadable, {bad / lines:.4%}, where at most "
            f"{max_bad_line_ratio:.4%} are allowed ({ArticleSettings.variable('max_bad_line_ratio')}). Worst is "
            f"{worst['name']}: {worst['bad_lines']} of {worst['lines']}"
        )
    if not manifest["rows"]:
        counts = ", ".join(f"{name} {manifest[name]}" for name in ("files", "bad_files", "lines", "anonymous"))
        raise NoEventsError(
            f"no event with a reader and a time was delivered below {root} on {dates[0]} to {dates[-1]}: {counts}"
        )


def load(
    root: StoragePath, folder: StoragePath, manifest: Manifest, run_at: datetime, settings: ArticleSettings
) -> pd.DataFrame:
    """
    Read the events of a run.

    An extract that was deleted is made again.

    Args:
        root: root of the events.
        folder: where the extracts are kept.
        manifest: what `collect` gave.
        run_at: instant of the run, with zone; later events are left out.
        settings: `days_of_data` counts; events before the first of these dates are left out.

    Returns:
        The table of `records.frame`; the order of rows means nothing.

    Raises:
        NoEventsError: no event lies between the first date and *run_at*.
        ReplacedEventsError: a deleted extract cannot be made again.
        OSError: an object could not be read, three times.
    """
    first = datetime.combine(dates_of(run_at, settings.days_of_data)[0], time.min, UTC)

    def read(name: str, source: str) -> pa.Table:
        rows = extracts.load(folder / name)
        return _made_again(root, source, name, folder) if rows is None else rows

    with ThreadPoolExecutor(THREADS, "load") as pool:
        tables = pool.map(read, manifest["extracts"].keys(), manifest["extracts"].values())
        found = pa.concat_tables([SCHEMA.empty_table(), *tables])
    found = found.filter((pc.field("activity_time") >= first) & (pc.field("activity_time") <= run_at.astimezone(UTC)))
    log.info("%d of %d events are from %s to %s", len(found), manifest["rows"], first, run_at)
    if not len(found):
        raise NoEventsError(f"none of {manifest['rows']} events is from {first} to {run_at}")
    return frame(found)


def _made_again(root: StoragePath, source: str, name: str, folder: StoragePath) -> pa.Table:
    # not `find_object`: some stores tell the time of a change less exactly there than in a listing
    stored = walk_objects((root / source).parent).get(source.rpartition("/")[2])
    if stored is None or not name.startswith(extracts.key(source, stored)):
        state = "is gone" if stored is None else "was replaced"
        raise ReplacedEventsError(f"{root / source} {state} during the run, as is its extract: clear the whole run")
    made = extracts.make(root / source, extracts.key(source, stored), folder)
    rows = extracts.load(folder / name) if made else None
    if rows is None:
        raise OSError(f"{folder / name} is not there or damaged, although it was just written")
    return rows


def fetch_data(
    storage: StoragePath, site: str, run_at: datetime, days: int, max_bad_line_ratio: float = 0.05
) -> pd.DataFrame:
    """
    Read all events at once, without keeping extracts.

    Args:
        storage: root of the events; they are all of one site.
        site: its name, for the log.
        run_at: instant of the run, with zone.
        days: UTC dates read, which end with that of *run_at*.
        max_bad_line_ratio: share of unreadable lines that is allowed, 0 to 1.

    Returns:
        The table of `records.transform_raw_data`; the order of rows means nothing.

    Raises:
        TooManyBadLinesError, NoEventsError, OSError: as `collect` and `load`.
    """
    log.info("%s: reading %d dates of events", site, days)
    settings = ArticleSettings.load(days_of_data=days, max_bad_line_ratio=max_bad_line_ratio)
    with tempfile.TemporaryDirectory() as folder:
        manifest = collect(storage, Path(folder), run_at, settings)
        return load(storage, Path(folder), manifest, run_at, settings).astype(TEXT)
