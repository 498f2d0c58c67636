"""The event objects of a run, which lie below `enriched/good/YYYY/MM/DD/`, by the UTC date of delivery.

Events are dated by their own time.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from include.articles import layout
from include.core.storage import StoragePath, StoredObject, walk_objects


@dataclass(frozen=True)
class Listing:
    """The objects of some dates that may hold events."""

    dates: list[date]
    """UTC dates of delivery."""
    objects: dict[str, StoredObject]
    """Name below the root → object."""
    ignored: list[str]
    """Names of other objects, which do not end in `.gz`."""
    empty_files: int
    """Number of other objects with zero bytes."""


def dates_of(run_at: datetime, days: int) -> list[date]:
    """Return the *days* UTC dates that end with that of *run_at*, an instant with its zone."""
    if run_at.tzinfo is None:
        raise ValueError(f"an instant with its zone was expected, found {run_at.isoformat()}")
    last = run_at.astimezone(UTC).date()
    return [last - timedelta(days=ago) for ago in range(days)][::-1]


def list_events(root: StoragePath, run_at: datetime, days: int) -> Listing:
    """List the objects delivered on the *days* UTC dates that end with that of *run_at*."""
    dates = dates_of(run_at, days)
    found: dict[str, StoredObject] = {}
    for folder in map(layout.delivery_folder, dates):
        found |= {f"{folder}/{name}": stored for name, stored in walk_objects(root / folder).items()}
    named = {name: stored for name, stored in found.items() if name.endswith(".gz")}
    objects = {name: stored for name, stored in named.items() if stored.size}
    return Listing(dates, objects, sorted(found.keys() - named.keys()), len(named) - len(objects))
