"""The addresses of the remote files."""

from datetime import date

from include.core.errors import SettingsError
from include.songs.schemas import SourceName
from include.songs.settings import SongSettings


def remote_url(settings: SongSettings, name: SourceName, day: date) -> str:
    """
    Return the address of a day's spins, or of the listeners, which are the same for all days.

    Raises:
        SettingsError: the folder is not set.
    """
    base = settings.spins_base if name == "spins" else settings.listeners_base
    if not base:
        field = f"{name}_base"
        meaning = SongSettings.model_fields[field].description
        raise SettingsError(f"{SongSettings.variable(field)} is not set. Expected: {meaning}")
    file = f"spins-{day.isoformat()}" if name == "spins" else "listeners"
    return f"{base.rstrip('/')}/{file}.snappy.parquet"
