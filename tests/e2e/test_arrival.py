"""Arrival on the real platform: the triggerer is killed, and every file is still reported."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.embedded.processes import marked
from include.core.storage import write_whole
from tests.support.platform import wait_for

pytestmark = pytest.mark.e2e

DEADLINE_SECONDS = 90.0


class Watch:
    """The folder that `ratings_training` watches, and the asset events about it."""

    def __init__(self, platform) -> None:
        self.mark = platform.instance.mark
        self.folder = Path(platform.instance.storage_url.removeprefix("file://")) / "ratings/training"
        self.log = platform.instance.logs / "triggerer.log"
        self.api = httpx.Client(base_url=f"{platform.instance.url}/api/v2", timeout=30)

    def drop(self) -> str:
        name = f"dropped-{uuid.uuid4().hex}.txt"
        write_whole(self.folder / name, b"1 1 5 881250949\n")
        return name

    def events(self, name: str) -> int:
        """Count the asset events that name *name*."""
        assets = self.api.get("/assets", params={"name_pattern": "ratings_training"}).raise_for_status().json()
        query = {"asset_id": assets["assets"][0]["id"], "limit": 100, "order_by": "-timestamp"}
        answer = self.api.get("/assets/events", params=query)
        while answer.status_code == 500:  # Airflow 3.3.2 cannot show an event whose run has not started yet
            time.sleep(0.1)
            answer = self.api.get("/assets/events", params=query)
        events = answer.raise_for_status().json()["asset_events"]
        return sum(name in event["extra"].get("payload", {}).get("files", []) for event in events)

    def seen(self, name: str) -> bool:
        """Check whether the trigger has fired for *name*; Airflow may not have stored the event yet."""
        return name in self.log.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9, for the triggerer and what it has started; supervisord starts it again."""
        victims = marked(self.mark, "triggerer")
        assert victims
        for each in victims:
            each.kill()


@pytest.fixture
def watch(platform) -> Iterator[Watch]:
    watch = Watch(platform)
    with watch.api:
        first = watch.drop()
        wait_for("the trigger is at work", lambda: watch.events(first) > 0, DEADLINE_SECONDS)
        yield watch


def test_files_that_arrive_while_the_triggerer_is_dead_are_reported_once(watch):
    watch.kill()
    names = [watch.drop(), watch.drop()]
    wait_for("both files are reported", lambda: all(watch.events(name) for name in names), DEADLINE_SECONDS)
    later = watch.drop()
    wait_for("a later file is reported", lambda: watch.events(later) > 0, DEADLINE_SECONDS)
    assert [watch.events(name) for name in [*names, later]] == [1, 1, 1]


def test_a_kill_right_after_an_arrival_does_not_lose_the_file(watch):
    name = watch.drop()
    wait_for("the trigger has fired", lambda: watch.seen(name), DEADLINE_SECONDS)
    watch.kill()
    wait_for("the file is reported", lambda: watch.events(name) > 0, DEADLINE_SECONDS)
    later = watch.drop()
    wait_for("a later file is reported", lambda: watch.events(later) > 0, DEADLINE_SECONDS)
