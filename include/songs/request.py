"""Request to a run of song plays: the params of its DAG run, completed by the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from include.core.errors import BadDataError
from include.songs.layout import parse_day
from include.songs.settings import EngineChoice, SongSettings


@dataclass(frozen=True)
class RunRequest:
    """A requested day."""

    run_id: str
    """Name of the DAG run; it holds the lease of the day."""
    day: date
    minrows: int
    """Fewest rows of a valid dataset."""
    engine: EngineChoice


def from_params(
    params: Mapping[str, Any], run_id: str, interval_start: datetime | None, settings: SongSettings
) -> RunRequest:
    """
    Build the request of a run; what the params leave open is taken from the settings.

    Args:
        params: of the DAG run.
        run_id: name of the DAG run.
        interval_start: of its data interval, with its zone; the day is the one that it begins with in the reporting
            zone, unless the param `day` names another.
        settings: of the song plays.

    Raises:
        BadDataError: the run has neither a day nor an interval.
        DayError: the day is not `YYYY-MM-DD`.
    """
    minrows = params.get("minrows")
    return RunRequest(
        run_id=run_id,
        day=_day(params.get("day"), interval_start, settings),
        minrows=settings.minrows if minrows is None else minrows,
        engine=params.get("engine") or settings.engine,
    )


def _day(given: str | None, interval_start: datetime | None, settings: SongSettings) -> date:
    if given:
        return parse_day(given)
    if interval_start is None:
        raise BadDataError('the run has no interval: give it the param day, such as {"day": "2019-02-08"}')
    return interval_start.astimezone(settings.zone).date()
