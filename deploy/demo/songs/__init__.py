"""Song plays in the demo: a day whose spins exist, and one that waits for its spins until they arrive."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from deploy.demo.client import DemoError, Platform
from deploy.demo.report import Result
from deploy.demo.songs import music
from deploy.demo.songs.music import Counts
from include.songs.settings import SongSettings

DAG = "song_plays"
DAYS = "/songs/days"
COMPLETE, WAITING = "complete", "waiting"
POLL_SECONDS = 1
"""Between the checks of a run that waits."""
MAX_DAYS = 1000
"""Maximum number of days in a response of the API."""


def run(platform: Platform, progress: Callable[[str], None]) -> list[Result]:
    """Run the workflow for two days; raises `DemoError` if a result is wrong."""
    settings = SongSettings.load()
    if settings.spins_base or settings.listeners_base:  # made-up plays must not be mixed with the user's
        return []
    if platform.get(f"/api/v2/dags/{DAG}")["is_paused"]:
        raise DemoError(f"the DAG {DAG} is paused; its switch is at {platform.url}/dags/{DAG}")
    progress("songs: generating plays")
    present, absent = _free_days(platform, datetime.now(settings.zone).date())
    with music.serve() as service:
        expected = {day: service.prepare(day) for day in (present, absent)}
        service.release(present)
        began = time.monotonic()
        first, second = (_start(platform, day, service.address) for day in (present, absent))
        platform.wait(lambda: _finished(platform, first, f"{present}", progress), 300, f"the end of {first}")
        _check(platform, present, expected[present])
        seconds = time.monotonic() - began

        platform.wait(lambda: _is_waiting(platform, second), 60, f"a task of {second} that waits")
        if (state := _states(platform).get(absent, WAITING)) != WAITING:
            raise DemoError(f"{absent} was expected to wait for its spins, found {state}")
        service.release(absent)
        waited, arrived = time.monotonic() - began, time.monotonic()
        platform.wait(lambda: _finished(platform, second, f"{absent}", progress), 300, f"the end of {second}")
        _check(platform, absent, expected[absent])
        late_seconds = time.monotonic() - arrived
    return [
        _produced(present, _summary(expected[present]), seconds),
        _produced(absent, f"waited {waited:.0f} s for its spins, then {_summary(expected[absent])}", late_seconds),
    ]


def _free_days(platform: Platform, today: date) -> tuple[date, date]:
    """Return the latest two consecutive days before *today* that have no files."""
    known = _states(platform)
    for ago in range(2, MAX_DAYS, 2):
        present, absent = (today - timedelta(days=each) for each in (ago, ago - 1))
        if not {present, absent} & known.keys():
            return present, absent
    raise DemoError(f"none of the last {MAX_DAYS} days is free for the demo; see {platform.url}{DAYS}")


def _states(platform: Platform) -> dict[date, str]:
    """Return the state of each day that has any files."""
    days = platform.get(DAYS, limit=MAX_DAYS)["days"]
    return {date.fromisoformat(each["day"]): each["state"] for each in days}


def _start(platform: Platform, day: date, address: str) -> str:
    """Start a run of the DAG; return its path in Airflow's API."""
    conf = {"day": f"{day}", "spins_base": address, "listeners_base": address, "poll_seconds": POLL_SECONDS}
    return platform.trigger(DAG, f"demo-{day}__{datetime.now(UTC).isoformat()}", conf)


def _finished(platform: Platform, path: str, what: str, progress: Callable[[str], None]) -> bool:
    """Return whether a run has succeeded, and report its progress."""
    state, tasks = platform.get(path)["state"], _tasks(platform, path)
    if state == "failed":
        failed = [task["task_id"] for task in tasks if task["state"] == "failed"]
        raise DemoError(f"{path} has failed in {', '.join(failed) or 'no task'}; its log says why")
    done = [task for task in tasks if task["state"] in ("success", "skipped")]
    progress(f"songs: {what}: {len(done)} of {len(tasks)} tasks are done")
    return state == "success"


def _is_waiting(platform: Platform, path: str) -> bool:
    """Return whether a run waits without a worker."""
    state = platform.get(path)["state"]
    if state not in ("queued", "running"):
        raise DemoError(f"{path} was expected to wait for its spins, found {state}")
    return any(task["state"] == "deferred" for task in _tasks(platform, path))


def _tasks(platform: Platform, path: str) -> list[dict[str, Any]]:
    return platform.get(f"{path}/taskInstances")["task_instances"]


def _check(platform: Platform, day: date, counts: Counts) -> None:
    """Check that the platform reports the expected *counts* of a day."""
    found = platform.get(f"{DAYS}/{day}")
    if (found["state"], found["rows"]) != (COMPLETE, sum(counts.values())):
        raise DemoError(f"{sum(counts.values())} plays of {day} were expected, found {found}")
    rows = platform.get(f"{DAYS}/{day}/counts")["rows"]
    if [((row["zip"], row["subscription"]), row["spins"]) for row in rows] != sorted(counts.items()):
        raise DemoError(f"{len(counts)} counts of {day} were expected: {sorted(counts.items())}, found {rows}")


def _summary(counts: Counts) -> str:
    plays: dict[int, int] = {}
    for (zip_code, _), number in counts.items():
        plays[zip_code] = plays.get(zip_code, 0) + number
    top = max(plays, key=plays.__getitem__)
    return f"{sum(plays.values()):,} plays, {len(plays)} zip codes; most are in {top}: {plays[top]:,}"


def _produced(day: date, what: str, seconds: float) -> Result:
    return Result("songs", f"{day}: {what}", f"songs/output/{day:%Y/%m/%d}", seconds, f"{DAYS}/{day}")
