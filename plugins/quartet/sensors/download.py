"""Wait for a remote file of song plays without a worker, and download it."""

from typing import TYPE_CHECKING, Any

from include.songs.settings import DOWNLOADS
from quartet.sensors.remote import RemoteSensor

if TYPE_CHECKING:
    from include.songs.schemas import SourceName


class DownloadSensor(RemoteSensor):
    """
    Wait for the spins of a day, or for the listeners, and download them; see `quartet.workflows.songs.Download`.

    :param name: `spins` or `listeners`.
    :param day: `YYYY-MM-DD`; templated.
    :param base: replaces the folder that the settings name, unless it is empty; templated.
    """

    def __init__(self, *, name: "SourceName", day: str, base: str = "", **kwargs: Any) -> None:
        download = {"name": name, "day": day, "run_id": "{{ run_id }}", "base": base}
        kwargs = {"pool": DOWNLOADS} | kwargs
        super().__init__(awaited="quartet.workflows.songs.Download", arguments=download, **kwargs)
