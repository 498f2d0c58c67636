"""Addresses of the remote files."""

from datetime import date

import pytest

from include.core.errors import SettingsError
from include.songs.downloads.remote import remote_url
from include.songs.settings import SongSettings

DAY = date(2019, 2, 8)


@pytest.mark.parametrize("base", ["https://host/share", "https://host/share/"])
def test_addresses_are_base_and_name(base):
    settings = SongSettings.load(spins_base=base, listeners_base="s3://bucket")
    assert remote_url(settings, "spins", DAY) == "https://host/share/spins-2019-02-08.snappy.parquet"
    assert remote_url(settings, "listeners", DAY) == "s3://bucket/listeners.snappy.parquet"


def test_what_is_not_configured_is_named():
    settings = SongSettings.load(spins_base="", listeners_base="")
    with pytest.raises(SettingsError, match="SONGS_SPINS_BASE is not set"):
        remote_url(settings, "spins", DAY)
    with pytest.raises(SettingsError, match="SONGS_LISTENERS_BASE is not set"):
        remote_url(settings, "listeners", DAY)
