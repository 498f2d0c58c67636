"""Wait for one file, object or web address to arrive."""

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowException

from include.core.errors import BadDataError
from quartet.triggers.arrival import ArrivedTrigger, arrived

if TYPE_CHECKING:
    from quartet.triggers.listing import Lister


class ArrivalError(AirflowException):
    """Whether the object is there cannot be found out."""


class ArrivalSensor(BaseSensorOperator):
    """
    Wait until an object is there, without a worker; return its name, size in bytes (or `None`) and fingerprint.

    It looks once, and if need be leaves the wait to the triggerer. `timeout`, `soft_fail` and `never_fail` are those
    of every sensor; the time counts from the first look of each try.

    :param url: `http(s)://…`, `s3://…`, `file:///…`, or a path below the platform's storage root; templated.
    :param poll_seconds: between two looks.
    :param settle_seconds: how long a file without a newline at its end has to stay unchanged; 0: not at all.
    :param max_failures: so many failed looks in a row, of an unreachable server for example, end the wait.
    :param deferrable: `False` waits on the worker.
    """

    template_fields: Collection[str] = ("url",)
    ui_color = "#dbeee3"

    def __init__(
        self,
        *,
        url: str,
        poll_seconds: float = 10.0,
        settle_seconds: float = 2.0,
        max_failures: int = 10,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poll_seconds, **kwargs)
        self.url = url
        self.poll_seconds = poll_seconds
        self.settle_seconds = settle_seconds
        self.max_failures = max_failures
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Look once; then return or defer."""
        if not self.deferrable:
            return super().execute(context)
        found = None
        try:
            found = self._look()
        except ValueError:  # of the address itself: looking again does not help
            raise
        except Exception as error:
            self.log.warning("%s: the look failed, the trigger looks again: %r", self._lister(), error)
        if found:
            return self._arrived(found)
        self._wait(self.timeout)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, for a wait on the worker."""
        found = self._look()
        return PokeReturnValue(is_done=found is not None, xcom_value=self._arrived(found) if found else None)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """
        Take what the trigger found.

        :raises ArrivalError: the looks failed.
        :raises BadDataError: no look can succeed.
        """
        if "refused" in event:
            raise BadDataError(event["refused"])
        if "error" in event:
            raise ArrivalError(event["error"])
        return self._arrived(event)

    def _lister(self) -> "Lister":
        from quartet.triggers.listing import make_lister

        return make_lister(url=self.url, settle_seconds=self.settle_seconds)

    def _wait(self, seconds: float) -> NoReturn:
        self.log.info("Waiting for at most %.0f s, with a look every %.1f s", seconds, self.poll_seconds)
        self.defer(
            trigger=ArrivedTrigger(
                self.url,
                poll_seconds=self.poll_seconds,
                settle_seconds=self.settle_seconds,
                max_failures=self.max_failures,
            ),
            method_name="resume",
            timeout=timedelta(seconds=seconds),
        )

    def _look(self) -> dict[str, Any] | None:
        lister = self._lister()
        found = arrived(lister)
        if not found:
            self.log.info("%s is not there yet, or not complete", lister)
        return found

    def _arrived(self, found: dict[str, Any]) -> Any:
        self.log.info("Arrived: %s, %s bytes, fingerprint %s", found["name"], found["size"], found["fingerprint"])
        return found
