"""Settings of the song plays."""

from datetime import date

import pytest

from include.core.errors import SettingsError
from include.songs.settings import SongSettings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in SongSettings.model_fields:
        monkeypatch.delenv(SongSettings.variable(name), raising=False)


def test_without_a_word_everything_is_as_it_was():
    settings = SongSettings.load()
    assert (settings.report_timezone, settings.minrows, settings.start_date) == ("America/New_York", 100, None)
    assert (settings.driver_memory, settings.driver_cores) == ("1g", 1)
    assert (settings.executor_memory, settings.executor_cores, settings.num_executors) == ("2g", 1, 1)
    assert settings.shuffle_partitions is None
    assert settings.engine == "auto"
    assert settings.deadline_seconds == settings.deadline_hours * 3600


def test_values_are_read(monkeypatch):
    for name, value in {
        "SPINS_BASE": "https://host/share",
        "LISTENERS_BASE": "s3://bucket/listeners",
        "START_DATE": "2019-02-08",
        "SHUFFLE_PARTITIONS": "16",
        "REPORT_TIMEZONE": "UTC",
    }.items():
        monkeypatch.setenv(f"SONGS_{name}", value)
    settings = SongSettings.load()
    assert (settings.start_date, settings.shuffle_partitions) == (date(2019, 2, 8), 16)
    assert str(settings.zone) == "UTC"


@pytest.mark.parametrize(("given", "suffix"), [("?dl=1", "?dl=1"), ("dl=1", "?dl=1"), ("", "")])
def test_a_query_has_its_mark_and_is_not_shown(monkeypatch, given, suffix):
    monkeypatch.setenv("SONGS_QUERY_SUFFIX", given)
    settings = SongSettings.load()
    assert settings.query_suffix.get_secret_value() == suffix
    assert "dl=1" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SPINS_BASE", "ftp://host/share"),
        ("SPINS_BASE", "/data"),
        ("SPINS_BASE", "file://data"),
        ("SPINS_BASE", "https://"),
        ("LISTENERS_BASE", "https://host/share?dl=1"),
        ("LISTENERS_BASE", "s3://"),
        ("REPORT_TIMEZONE", "Mars/Olympus"),
        ("MINROWS", "-1"),
        ("ENGINE", "flink"),
        ("START_DATE", "yesterday"),
        ("SHUFFLE_PARTITIONS", "0"),
        ("EXECUTOR_MEMORY", "2 GB"),
        ("DEADLINE_HOURS", "0"),
        ("LEASE_SECONDS", "1"),
    ],
)
def test_wrong_values_are_named(monkeypatch, variable, value):
    monkeypatch.setenv(f"SONGS_{variable}", value)
    with pytest.raises(SettingsError, match=f"SONGS_{variable}"):
        SongSettings.load()


@pytest.mark.parametrize("base", ["file:///data/songs", "http://host:81/a/b/", "https://host", "s3://bucket/a"])
def test_a_base_may_be_of_three_kinds(monkeypatch, base):
    monkeypatch.setenv("SONGS_SPINS_BASE", base)
    assert SongSettings.load().spins_base == base
