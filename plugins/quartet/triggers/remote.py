"""Wait for a remote file. DAG files import this module, so nothing heavy is imported at its top."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from pkgutil import resolve_name
from typing import Any, Protocol

from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.core.errors import BadDataError, NothingToDoError
from include.core.remote import MissingError, NotReadyError, RemoteFile, UnreachableError
from include.core.text import printable
from quartet.triggers.failures import FailureLog
from quartet.triggers.threads import Threads

log = logging.getLogger(__name__)

MAX_PAUSE_POLLS = 16
"""Longest pause between checks while nothing changes, as a multiple of the usual one."""
THREADS = Threads("remote", 8)
"""All looks at remote files share them: a server that does not answer holds one for seconds."""


class Awaited(Protocol):
    """
    A remote file to wait for, and the action on its arrival. Its text is its address without secrets.

    Its class is known by a dotted name, and is called with keyword arguments that JSON can hold and that are no
    secrets: so it passes from the sensor to the trigger.
    """

    def check(self) -> None:
        """Raise `NothingToDoError` if there is nothing to wait for."""
        ...

    def open(self) -> AbstractContextManager[RemoteFile]:
        """Yield the file, not yet contacted."""
        ...

    def take(self) -> Any:
        """
        Process the file, which has arrived.

        :return: the sensor's result.
        :raises TransientError: it has to be waited for again.
        """
        ...


def make_awaited(name: str, arguments: Mapping[str, Any]) -> Awaited:
    """Return an object of the class with the dotted *name*."""
    return resolve_name(name)(**arguments)


def look(awaited: Awaited, settle_seconds: float) -> dict[str, Any]:
    """
    Return name, size in bytes (or `None`) and fingerprint of a remote file.

    :raises NotReadyError: it is not there, or not complete.
    :raises RefusedError: it cannot be had.
    """
    with awaited.open() as remote:
        found = remote.look()
        if not found.size or not remote.is_settled(found, time.time(), settle_seconds):  # perhaps it is a placeholder
            raise MissingError(f"{remote}: it may not be complete yet")
    size = found.size if found.size >= 0 else None
    return {"name": printable(found.name), "size": size, "fingerprint": found.fingerprint}


class RemoteTrigger(BaseTrigger):
    """
    Wait until a remote file exists: the part of `RemoteSensor` that needs no worker.

    The event is what `look` returns, or `{"error": reason}` after too many failed looks in a row, `{"refused": reason}`
    when no look can succeed, `{"skipped": reason}` when there is nothing to wait for. Transient errors are waited out,
    with growing pauses.

    :param awaited: dotted name of a class of `Awaited`.
    :param arguments: its keyword arguments.
    :param rest_seconds: before the first look.
    :param incomplete: fingerprint of the file when it was received incomplete, if it was: the wait ends once it has
        another one, twice in a row.
    :param patience_seconds: after which the incomplete file is good enough: perhaps its connection was at fault.
    :param poll_seconds: between two looks; a rendered template is a text.
    :param settle_seconds: how long a local file without a newline at its end has to stay unchanged; 0: not at all.
    :param max_failures: number of unexpected errors in a row that end the wait.
    """

    def __init__(
        self,
        awaited: str,
        arguments: dict[str, Any],
        *,
        rest_seconds: float = 0.0,
        incomplete: str = "",
        patience_seconds: float = 0.0,
        poll_seconds: float | str = 60.0,
        settle_seconds: float = 2.0,
        max_failures: int = 10,
    ) -> None:
        super().__init__()
        self.awaited = awaited
        self.arguments = arguments
        self.rest_seconds = rest_seconds
        self.incomplete = incomplete
        self.patience_seconds = patience_seconds
        self.poll_seconds = poll_seconds
        self.settle_seconds = settle_seconds
        self.max_failures = max_failures

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments from which Airflow recreates the trigger."""
        names = ("awaited", "arguments", "rest_seconds", "incomplete", "patience_seconds")
        names += ("poll_seconds", "settle_seconds", "max_failures")
        return "quartet.triggers.remote.RemoteTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Rest, then check until the file exists."""
        await asyncio.sleep(self.rest_seconds)
        # slow: not in the event loop, which all triggers share
        try:
            awaited = await THREADS.run(make_awaited, self.awaited, self.arguments)
            address = await THREADS.run(str, awaited)
        except BadDataError as error:
            yield TriggerEvent({"refused": str(error)})
            return
        outage, failures, reason = FailureLog(f"looking at {address}"), 0, ""
        seen, unchanged, waited, checked = "", 0, self.rest_seconds, False
        while True:
            pause = float(self.poll_seconds)
            try:
                if not checked:
                    await THREADS.run(awaited.check)
                    checked = True
                found = await THREADS.run(look, awaited, self.settle_seconds)
            except NothingToDoError as nothing:
                yield TriggerEvent({"skipped": str(nothing)})
                return
            except UnreachableError as error:
                outage.note(error)
                pause *= growth(outage.failures)
            except NotReadyError as error:
                failures = 0
                outage.end()
                if str(error) != reason:
                    reason = str(error)
                    log.info("Not ready: %s", reason)
            except BadDataError as error:
                yield TriggerEvent({"refused": str(error)})
                return
            except Exception as error:
                failures += 1
                self.log.warning("%s: failed look %d of %d: %r", address, failures, self.max_failures, error)
                if failures >= self.max_failures:
                    yield TriggerEvent({"error": f"{address}: {failures} looks failed, the last with {error!r}"})
                    return
            else:
                outage.end()
                if self._is_complete(found["fingerprint"], seen, waited):
                    yield TriggerEvent(found)
                    return
                unchanged = unchanged + 1 if found["fingerprint"] == self.incomplete else 0
                seen = found["fingerprint"]
                pause *= growth(unchanged)
            await asyncio.sleep(pause)
            waited += pause

    def _is_complete(self, fingerprint: str, seen: str, waited: float) -> bool:
        """Return whether a file may be complete that had the fingerprint *seen* at the look before."""
        if not self.incomplete:
            return True
        if fingerprint == self.incomplete:
            return waited >= self.patience_seconds
        return fingerprint == seen  # else it is being written


def growth(times: int) -> int:
    """Return by how much a pause grows when nothing has changed so many times."""
    return min(MAX_PAUSE_POLLS, 2 ** min(times, 16))
