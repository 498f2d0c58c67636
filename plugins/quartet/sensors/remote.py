"""Wait for a remote file without a worker, and process it."""

import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowSensorTimeout, AirflowSkipException, TaskDeferralTimeout

from include.core.errors import BadDataError, NothingToDoError, TransientError
from include.core.remote import IncompleteError, UnreachableError
from include.core.storage import StoredObject
from quartet.triggers.remote import Awaited, RemoteTrigger, growth, look, make_awaited

NOTHING_KNOWN = StoredObject("", size=-1, changed=0.0).fingerprint
"""Of a file whose server tells neither size nor time nor ETag: nobody can see whether it has changed."""
MIN_REST_SECONDS = 10.0
"""A worker notices the end of a task after up to 5 s; Airflow takes one that is resumed before that for killed."""
PATIENCE_SECONDS = 3600.0
"""After which an incomplete file that has not changed is fetched again; doubled each time."""


class RemoteError(AirflowException):
    """Too many checks of a remote file have failed."""


class RemoteSensor(BaseSensorOperator):
    """
    Wait until a remote file exists, without a worker; then process it, and return the result.

    A worker looks once, so that a file that is there is taken at once; each request of a look has a time limit. A file
    that is missing, or could not be checked because of a transient error, is waited for in the triggerer until
    `timeout`; after a last look the task fails, and names the address. A file that is gone again when it is taken is
    waited for again, until the same deadline; an incomplete one until it has changed, with looks that become rarer.
    What is refused fails at once, and a task that has nothing to wait for is skipped. `soft_fail` and `never_fail` are
    those of every sensor; the time counts from the beginning of each try. `execution_timeout` is added to it, since
    Airflow counts the wait as execution.

    :param awaited: dotted name of a class of `Awaited`: the file, and how it is taken.
    :param arguments: its keyword arguments, no secrets; templated.
    :param poll_seconds: between two looks; templated.
    :param settle_seconds: how long a local file without a newline at its end has to stay unchanged; 0: not at all.
    :param max_failures: number of unexpected errors in a row that end the wait.
    """

    template_fields: Collection[str] = ("arguments", "poll_seconds")
    ui_color = "#dbeee3"

    def __init__(
        self,
        *,
        awaited: str,
        arguments: dict[str, Any],
        poll_seconds: float | str = 60.0,
        settle_seconds: float = 2.0,
        max_failures: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.awaited = awaited
        self.arguments = arguments
        self.poll_seconds = poll_seconds
        self.settle_seconds = settle_seconds
        self.max_failures = max_failures
        if self.execution_timeout:
            self.execution_timeout += timedelta(seconds=self.timeout)

    def execute(self, context: Context) -> Any:
        """Look once, and process the file if it is there; otherwise the triggerer waits for it."""
        awaited, deadline = self._make(), time.time() + self.timeout
        try:
            awaited.check()
            found = look(awaited, self.settle_seconds)
        except NothingToDoError as nothing:
            raise AirflowSkipException(str(nothing)) from None
        except BadDataError:
            raise
        except TransientError as error:
            self.log.info("Not ready: %s", error)
        except Exception as error:
            self.log.warning("%s: the look failed, the trigger looks again: %r", awaited, error)
        else:
            return self._take(awaited, found, deadline)
        self._wait(deadline)

    def resume(self, context: Context, event: dict[str, Any], deadline: float, fetches: int = 0) -> Any:
        """
        Process the file that the trigger found, or wait again.

        :param deadline: of the wait, in seconds since 1970.
        :param fetches: number of times that it was fetched before, in vain.
        :raises RemoteError: the looks failed.
        :raises BadDataError: no look can succeed.
        """
        if "skipped" in event:
            raise AirflowSkipException(event["skipped"])
        if "refused" in event:
            raise BadDataError(event["refused"])
        if "error" in event:
            raise RemoteError(event["error"])
        return self._take(self._make(), event, deadline, fetches)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the wait; one that was too long ends with a last check."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            if not isinstance(error.__cause__, TaskDeferralTimeout):  # it is ours
                raise
        awaited, deadline = self._make(), time.time()
        try:
            found = look(awaited, self.settle_seconds)
        except TransientError as error:
            raise self._too_late(awaited, error) from error
        return self._take(awaited, found, deadline)

    def _make(self) -> Awaited:
        return make_awaited(self.awaited, self.arguments)

    def _take(self, awaited: Awaited, found: dict[str, Any], deadline: float, fetches: int = 0) -> Any:
        self.log.info("Arrived: %s, %s bytes, fingerprint %s", found["name"], found["size"], found["fingerprint"])
        try:
            return awaited.take()
        except TransientError as error:
            self.log.info("Not ready: %s", error)
            if time.time() >= deadline:
                raise self._too_late(awaited, error) from error
            rest_seconds = float(self.poll_seconds)
            if not isinstance(error, UnreachableError):
                self._wait(deadline, rest_seconds)
            incomplete = isinstance(error, IncompleteError) and found["fingerprint"] != NOTHING_KNOWN
        rest_seconds *= growth(fetches)
        self._wait(deadline, rest_seconds, found["fingerprint"] if incomplete else "", fetches + 1)

    def _wait(self, deadline: float, rest_seconds: float = 0, incomplete: str = "", fetches: int = 0) -> NoReturn:
        left, poll_seconds = deadline - time.time(), float(self.poll_seconds)
        self.log.info("Waiting for at most %.0f s, with a look every %.1f s", left, poll_seconds)
        if incomplete:
            self.log.info("It is fetched again once it has changed")
        self.defer(
            trigger=RemoteTrigger(
                self.awaited,
                self.arguments,
                rest_seconds=max(rest_seconds, MIN_REST_SECONDS),
                incomplete=incomplete,
                patience_seconds=PATIENCE_SECONDS * 2 ** (fetches - 1) if incomplete else 0,
                poll_seconds=poll_seconds,
                settle_seconds=self.settle_seconds,
                max_failures=self.max_failures,
            ),
            method_name="resume",
            kwargs={"deadline": deadline} | ({"fetches": fetches} if fetches else {}),
            timeout=timedelta(seconds=left),
        )

    def _too_late(self, awaited: Awaited, error: TransientError) -> AirflowSensorTimeout:
        return AirflowSensorTimeout(f"{awaited} did not come within {self.timeout / 3600:g} hours; at last: {error}")
