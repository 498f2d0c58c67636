"""The pages of song plays: a calendar of days, and what a day's run delivered."""

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from cachetools import LRUCache, cached
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from include.songs import report
from include.songs.layout import reported_days
from include.songs.results import IncompleteError
from include.songs.settings import SongSettings
from quartet.api.common.auth import may_read
from quartet.api.common.pages import Summary, number, page
from quartet.api.songs.calendar import calendar_of, month_of
from quartet.api.songs.routes import DAG, Day
from quartet.api.songs.service import FOLDERS, Output, SongsService, UnknownDayError
from quartet.hooks.storage import StorageHook

TOP = 20
"""Zip codes in the chart."""
MAX_LATE_HOURS = 48
"""Hours after the end of the newest day from which the overview warns."""


def _month(text: str) -> date:
    try:
        return month_of(text)
    except ValueError:
        raise PydanticCustomError("month", "a month such as 2019-02 was expected") from None


router = APIRouter(dependencies=[may_read(DAG)])
Service = Annotated[SongsService, Depends(SongsService)]


def summary() -> Summary:
    """Return the newest day, for the overview."""
    root, settings = StorageHook().path("songs"), SongSettings.load()
    if (newest := max(reported_days(root), default=None)) is None:
        return Summary()
    found = report.read(root, newest)
    end = datetime.combine(newest + timedelta(days=1), time(), settings.zone)
    words = f"{newest}: {number(found.rows)} plays in {number(found.groups)} groups" if found else None
    late = (datetime.now(UTC) - end).total_seconds() / 3600 > MAX_LATE_HOURS
    return Summary(words, end, alerts=[f"the newest day is {newest}"] if late else [])


@router.get("/")
def calendar_page(
    request: Request,
    service: Service,
    month: Annotated[date | None, BeforeValidator(_month)] = None,
) -> HTMLResponse:
    """Show the days of a month, by default of the newest day."""
    yesterday = datetime.now(SongSettings.load().zone).date() - timedelta(days=1)
    known = service.days(None, None, 10_000)
    shown = month or (known[0].day if known else yesterday).replace(day=1)
    calendar = calendar_of(shown, {each.day: each.state for each in known}, yesterday)
    return page(request, "songs/templates/calendar.html", calendar=calendar, is_empty=not known)


@router.get("/days/{day}")
def day_page(request: Request, day: Day, service: Service) -> HTMLResponse:
    """Show what is known of a day, and its counts by subscription and zip code."""
    try:
        found = service.report(day)
    except UnknownDayError as error:
        raise HTTPException(404, f"{error}; see the calendar for the days that have files") from None
    counts = service.counts(day, None, None) if found.state == "complete" else []
    subscriptions, zips = Counter[str](), Counter[str]()
    for each in counts:
        subscriptions[each.subscription or "none"] += each.spins
        zips[str(each.zip) if each.zip is not None else "none"] += each.spins
    values = {"found": found, "subscriptions": subscriptions.most_common(), "zips": zips.most_common()}
    return page(request, "songs/templates/day.html", chart=_chart(zips.most_common(TOP)), **values)


@router.get("/days/{day}/checksums")
def checksums(request: Request, day: Day, service: Service) -> HTMLResponse:
    """Show size and SHA-256 of the files of a complete day, as part of its page."""
    try:
        files = [(output, *_checksum(service, day, output)) for output in FOLDERS]
    except IncompleteError as error:
        raise HTTPException(404, str(error)) from None
    return page(request, "songs/templates/checksums.html", day=day, files=files)


def _checksum(service: SongsService, day: date, output: Output) -> tuple[int, str]:
    part = service.open_file(day, output)
    with part.file as file:
        return part.size, _sha256(part.stored.fingerprint, file)


@cached(LRUCache(maxsize=256), key=lambda fingerprint, file: fingerprint)
def _sha256(fingerprint: str, file: Any) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _chart(zips: list[tuple[str, int]]) -> dict[str, Any]:
    return {
        "data": {"values": [{"zip": name, "plays": plays} for name, plays in zips]},
        "mark": "bar",
        "encoding": {
            "x": {"field": "zip", "type": "nominal", "sort": None, "title": "zip code"},
            "y": {"field": "plays", "type": "quantitative"},
        },
    }
