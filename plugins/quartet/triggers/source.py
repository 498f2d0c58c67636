"""Wait for a remote file of song plays. DAG files import this module, so nothing heavy is imported at its top."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from quartet.triggers.arrival import ArrivedTrigger, PassingTroubleError

if TYPE_CHECKING:
    from include.core.storage import StoragePath, StoredObject
    from quartet.hooks.sources import Name

log = logging.getLogger(__name__)


class SourceLister:
    """
    One source, for one day.

    :param source: `spins` or `listeners`.
    :param day: `YYYY-MM-DD`.
    :param settle_seconds: how long a local file has to stay unchanged; 0: not at all.
    :param base: stands in for the folder that the settings name.
    """

    def __init__(self, source: "Name", day: str, settle_seconds: float, base: str = "") -> None:
        from include.songs.layout import parse_day
        from quartet.hooks.sources import SourceHook

        self.source: Name = source
        self.day = parse_day(day)
        self.settle_seconds = settle_seconds
        self.hook = SourceHook(base=base)
        self.reason = ""
        """Why the file was not there at the last look."""
        self._path: StoragePath | None = None

    def __str__(self) -> str:
        return self.hook.address(self.source, self.day)

    def look(self) -> "dict[str, StoredObject]":
        """
        Ask for the file.

        :raises PassingTroubleError: it cannot be told now.
        :raises RefusedError: it cannot be had.
        """
        from include.songs.remote import StoredFile
        from include.songs.sources import NotReady

        with self.hook.open(self.source, self.day) as source:
            found = source.look()
            self._path = source.path if isinstance(source, StoredFile) else None
        if not isinstance(found, NotReady):
            return {found.name: found}
        if found.passing:
            raise PassingTroubleError(found.reason)
        self._note(found.reason)
        return {}

    def is_settled(self, stored: "StoredObject") -> bool:
        """Tell whether *stored* is complete, as far as one can see from outside."""
        from include.core.storage import is_settled

        settled = self._path is None or is_settled(self._path, stored, time.time(), self.settle_seconds)
        if not settled:
            self._note(f"{self}: it may not be complete yet")
        return settled

    def _note(self, reason: str) -> None:
        if reason != self.reason:
            log.info("Not ready: %s", reason)
        self.reason = reason


class SourceTrigger(ArrivedTrigger):
    """
    Wait until a source is there: the half of `SourceSensor` that needs no worker.

    :param source: `spins` or `listeners`.
    :param day: `YYYY-MM-DD`.
    :param base: stands in for the folder that the settings name.
    :param rest_seconds: before the first look.
    :param poll_seconds: between two looks; longer while there is trouble.
    :param settle_seconds: how long a local file has to stay unchanged; 0: not at all.
    :param max_failures: so many unexpected errors in a row end the wait.
    """

    def __init__(self, source: "Name", day: str, *, base: str = "", rest_seconds: float = 0, **arguments: Any) -> None:
        super().__init__("", **arguments)
        self.source: Name = source
        self.day = day
        self.base = base
        self.rest_seconds = rest_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what Airflow makes the trigger anew from."""
        names = ("source", "day", "base", "rest_seconds", "poll_seconds", "settle_seconds", "max_failures")
        return "quartet.triggers.source.SourceTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Rest; then look until the file is there."""
        await asyncio.sleep(self.rest_seconds)
        async for event in super().run():
            yield event

    def _lister(self) -> SourceLister:
        return SourceLister(self.source, self.day, self.settle_seconds, self.base)
