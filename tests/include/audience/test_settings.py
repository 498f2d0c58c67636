"""Settings of the audience workflow."""

import pytest

from include.audience.settings import AudienceSettings
from include.core.errors import SettingsError


def test_without_a_server_a_schema_is_a_file(home):
    settings = AudienceSettings.load()
    assert settings.source_url("wh_x").database == f"{home}/data/audience/wh_x.db"
    assert settings.result_url("out").drivername == "sqlite"


def test_with_a_server_a_schema_is_a_database_of_it(monkeypatch):
    for name, value in {"HOST": "db", "USER": "me", "PASSWORD": "p@:/%x", "SCHEMA": "out"}.items():
        monkeypatch.setenv(f"OUTPUT_{name}", value)
    settings = AudienceSettings.load()
    url = settings.result_url("other")
    assert (url.host, url.port, url.username, url.password, url.database) == ("db", 3306, "me", "p@:/%x", "other")
    assert url.query["charset"] == "utf8mb4"
    assert "p@:/%x" not in str(url) + repr(url) + repr(settings)
    assert settings.without_secrets("denied (p@:/%x)") == "denied (***)"


def test_schemas_are_a_list_between_commas(monkeypatch):
    monkeypatch.setenv("AUDIENCE_ALLOWED_SCHEMAS", "a, b")
    assert AudienceSettings.load().output_schemas == {"audience_result", "a", "b"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AUDIENCE_TIME_ZONE", "Mars/Olympus"),
        ("AUDIENCE_TIME_ZONE", "../etc"),
        ("AUDIENCE_TIE_POLICY", "both"),
        ("AUDIENCE_BATCH_ROWS", "0"),
        ("AUDIENCE_ALLOWED_SCHEMAS", "a;b"),
        ("OUTPUT_SCHEMA", "a`b"),
        ("INPUT_PORT", "many"),
        ("INPUT_SSL_CA", "no/such.pem"),
        ("OUTPUT_SSL_CA", "/"),
    ],
)
def test_wrong_values_are_named(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        AudienceSettings.load()


@pytest.mark.parametrize("variable", ["INPUT_SSL_CA", "OUTPUT_SSL_CA"])
def test_a_file_without_certificates_is_named_before_the_platform_starts(monkeypatch, tmp_path, variable):
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    with pytest.raises(SettingsError, match=rf"{variable}: certificates \(PEM\) were expected"):
        AudienceSettings.load().check()
