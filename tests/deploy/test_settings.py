"""Check of all settings before the platform starts."""

import pytest

from deploy import settings
from include.core.errors import SettingsError


def test_the_defaults_are_right():
    settings.check()


def test_all_wrong_settings_are_told_at_once(monkeypatch):
    monkeypatch.setenv("QUARTET_PORT", "0")
    monkeypatch.setenv("RATINGS_SEED", "x")
    with pytest.raises(SettingsError, match=r"(?s)QUARTET_PORT='0' .*RATINGS_SEED='x' "):
        settings.check()


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("RATINGS_ALGORITHM", "nowhere:Nothing", "cannot be imported"),
        (
            "RATINGS_CUSTOM_ALGORITHMS",
            "include.ratings.data.rows:Rating",
            "a subclass of surprise.AlgoBase was expected",
        ),
        ("RATINGS_ALGORITHM_OPTIONS", '{"no_such": 1}', "cannot be constructed"),
    ],
)
def test_an_algorithm_that_cannot_be_made_is_told_at_the_start(monkeypatch, variable, value, reason):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=reason):
        settings.check()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise imports it
@pytest.mark.parametrize("wrong", ["nosuch://user:hush-hush@host", "slack://hush-hush"])
def test_a_service_that_apprise_does_not_know_is_told_without_its_address(monkeypatch, caplog, wrong):
    monkeypatch.setenv("QUARTET_NOTIFY_URL", f"json://127.0.0.1/path {wrong}")
    with pytest.raises(SettingsError, match="QUARTET_NOTIFY_URL: URL number 2: ") as error:
        settings.check()
    assert "hush-hush" not in str(error.value) + caplog.text
