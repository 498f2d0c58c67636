"""Settings: read from the environment, validated, explained."""

from pathlib import Path

import pytest

from include.core.errors import SettingsError
from include.core.settings import ROOT, PlatformSettings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for field in PlatformSettings.model_fields:
        monkeypatch.delenv(PlatformSettings.variable(field), raising=False)


def test_defaults_lie_below_the_repository():
    settings = PlatformSettings.load()
    assert settings.home == ROOT / ".quartet"
    assert settings.storage_url == f"file://{ROOT}/.quartet/data"
    assert settings.registry_uri == f"sqlite:///{ROOT}/.quartet/mlflow.db"


def test_home_moves_all_state(monkeypatch, tmp_path):
    monkeypatch.setenv("QUARTET_HOME", str(tmp_path))
    settings = PlatformSettings.load()
    assert settings.storage_url == f"file://{tmp_path}/data"
    assert settings.registry_uri == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize(("given", "home"), [("state", ROOT / "state"), ("~/state", Path.home() / "state")])
def test_a_relative_home_is_resolved_against_the_repository(monkeypatch, given, home):
    monkeypatch.setenv("QUARTET_HOME", given)
    assert PlatformSettings.load().home == home


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/prefix/", "file:///data"])
def test_a_storage_url_loses_its_slash(monkeypatch, url):
    monkeypatch.setenv("QUARTET_STORAGE", url)
    assert PlatformSettings.load().storage_url == url.rstrip("/")


def test_an_empty_value_is_the_default(monkeypatch):
    monkeypatch.setenv("QUARTET_PORT", "")
    assert PlatformSettings.load().port == 8080


def test_hosts_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("QUARTET_ALLOWED_HOSTS", "quartet.example, 127.0.0.1,")
    assert PlatformSettings.load().allowed_hosts == ["quartet.example", "127.0.0.1"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("QUARTET_PORT", "eighty"),
        ("QUARTET_PORT", "0"),
        ("QUARTET_STORAGE", "ftp://host/data"),
        ("QUARTET_POLL_SECONDS", "0"),
        ("QUARTET_POLL_SECONDS", "nan"),
        ("QUARTET_TASK_RETRIES", "-1"),
        ("QUARTET_OTEL_ENDPOINT", "collector:4318"),
        ("QUARTET_DEADLINE_MINUTES", "0"),
    ],
)
def test_an_invalid_value_is_named_with_what_is_expected(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as error:
        PlatformSettings.load()
    field = variable.removeprefix("QUARTET_").lower()
    assert f"{variable}={value!r} is not allowed" in str(error.value)
    assert str(PlatformSettings.model_fields[field].description) in str(error.value)


def test_all_invalid_values_are_reported_at_once(monkeypatch):
    monkeypatch.setenv("QUARTET_PORT", "eighty")
    monkeypatch.setenv("QUARTET_TASK_RETRIES", "many")
    with pytest.raises(SettingsError) as error:
        PlatformSettings.load()
    assert [line.split("=")[0] for line in str(error.value).splitlines()] == ["QUARTET_PORT", "QUARTET_TASK_RETRIES"]


def test_the_tracking_server_has_mlflows_own_variable(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert PlatformSettings.load().registry_uri == "http://mlflow:5000"
    assert PlatformSettings.variable("mlflow_tracking_uri") == "MLFLOW_TRACKING_URI"


@pytest.mark.parametrize(
    ("given", "urls"),
    [
        ("", []),
        ("json://host/path", ["json://host/path"]),
        ("json://a, mailto://u:p@h?to=x@h,y@h  slack://t", ["json://a", "mailto://u:p@h?to=x@h,y@h", "slack://t"]),
    ],
)
def test_notify_urls_are_separated_by_spaces_and_commas(monkeypatch, given, urls):
    monkeypatch.setenv("QUARTET_NOTIFY_URL", given)
    settings = PlatformSettings.load()
    assert settings.notify_urls == urls
    assert not any(url in repr(settings) for url in urls)


def test_an_invalid_secret_is_named_and_not_shown(monkeypatch):
    monkeypatch.setenv("QUARTET_NOTIFY_URL", "json://host user:hush-hush@host")
    with pytest.raises(SettingsError) as error:
        PlatformSettings.load()
    assert str(error.value).startswith("QUARTET_NOTIFY_URL is not allowed: Value error, URL number 2 does not begin ")
    assert "hush-hush" not in str(error.value)
