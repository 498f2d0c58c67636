"""Wait for a remote file of song plays, and fetch it."""

import time
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from quartet.sensors.arrival import ArrivalSensor
from quartet.triggers.arrival import PassingTroubleError, arrived
from quartet.triggers.source import SourceLister, SourceTrigger

if TYPE_CHECKING:
    from quartet.hooks.sources import Name


class SourceSensor(ArrivalSensor):
    """
    Wait until the spins of a day, or the listeners, are there, without a worker; return what `ArrivalSensor` returns.

    What is missing, and trouble that passes, is waited for until `timeout`; then the task fails and names the address.
    What is refused fails at once. If the day's download is complete the task is skipped, and nobody is asked.

    :param source: `spins` or `listeners`; the settings say where they are.
    :param day: `YYYY-MM-DD`; templated.
    :param poll_seconds: between two looks; templated.
    :param base: stands in for the folder that the settings name; empty: that; templated.
    """

    template_fields: Collection[str] = ("day", "base", "poll_seconds")

    def __init__(
        self, *, source: "Name", day: str, poll_seconds: float | str = 60.0, base: str = "", **kwargs: Any
    ) -> None:
        super().__init__(url="", deferrable=True, **kwargs)
        self.poll_seconds = poll_seconds
        self.source: Name = source
        self.day = day
        self.base = base
        self.deadline: float | None = None
        self.reason = ""

    def execute(self, context: Context) -> Any:
        """Look once; then return or defer."""
        lister = self._lister()
        if lister.hook.is_complete(self.source, lister.day):
            raise AirflowSkipException(f"The {self.source} of {self.day} were fetched before: nobody is asked")
        return super().execute(context)

    def resume(self, context: Context, event: dict[str, Any], deadline: float | None = None) -> Any:
        """Take what the trigger found, before *deadline*, in seconds since 1970."""
        self.deadline = deadline
        return super().resume(context, event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the wait; one that was too long ends with a last look."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            if self.deadline is not None:  # it says all
                raise
            self.deadline = time.time()
            if found := self._look():
                return self._arrived(found)
            raise self._too_late() from error

    def _too_late(self) -> AirflowSensorTimeout:
        hours = self.timeout / 3600
        return AirflowSensorTimeout(f"{self._lister()} did not come within {hours:g} hours; at last: {self.reason}")

    def _wait(self, seconds: float, rest_seconds: float = 0) -> NoReturn:
        poll_seconds = float(self.poll_seconds)
        self.log.info("Waiting for at most %.0f s, with a look every %.1f s", seconds, poll_seconds)
        self.defer(
            trigger=SourceTrigger(
                self.source,
                self.day,
                base=self.base,
                rest_seconds=rest_seconds,
                poll_seconds=poll_seconds,
                settle_seconds=self.settle_seconds,
                max_failures=self.max_failures,
            ),
            method_name="resume",
            kwargs={"deadline": time.time() + seconds},
            timeout=timedelta(seconds=seconds),
        )

    def _lister(self) -> SourceLister:
        return SourceLister(self.source, self.day, self.settle_seconds, self.base)

    def _look(self) -> dict[str, Any] | None:
        lister = self._lister()
        try:
            found = arrived(lister)
            self.reason = lister.reason
        except PassingTroubleError as error:
            self.log.warning("Not ready: %s", error)
            found, self.reason = None, str(error)
        return found


class DownloadSensor(SourceSensor):
    """
    Wait as `SourceSensor` does, and fetch the file; return its version, `None` if another run has fetched it meanwhile.

    A file that is gone again, trouble that lasts, and another run at work on the same day are waited for as well.

    :param holder: name of the run that holds the lease of the day while it writes; templated.
    """

    template_fields: Collection[str] = (*SourceSensor.template_fields, "holder")

    def __init__(self, *, holder: str = "{{ run_id }}", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.holder = holder

    def _arrived(self, found: dict[str, Any]) -> dict[str, Any] | None:
        from include.core.lease import LeaseHeldError
        from include.songs.sources import NotReadyError

        super()._arrived(found)
        lister = self._lister()
        try:
            with lister.hook.lease(lister.day, self.holder).kept():
                version = lister.hook.download(self.source, lister.day)
        except (NotReadyError, LeaseHeldError) as error:
            self.log.info("Not ready: %s", error)
            self.reason = str(error)
            self._wait_again()
        return version.as_json() if version else None

    def _wait_again(self) -> NoReturn:
        left = self.timeout if self.deadline is None else self.deadline - time.time()
        if left <= 0:
            raise self._too_late()
        self._wait(left, rest_seconds=float(self.poll_seconds))
