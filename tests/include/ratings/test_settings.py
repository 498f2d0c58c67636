"""Settings of the ratings workflow."""

import os

import pytest

from include.core.errors import SettingsError
from include.ratings.settings import RatingsSettings


def test_the_defaults_are_those_that_are_documented():
    settings = RatingsSettings.load()
    assert (settings.algorithm, settings.seed, settings.coalesce) == ("SVD", 0, True)
    assert (settings.rmse_rise_limit, settings.retention) == (0.02, None)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RATINGS_ALGORITHM", "NormalPredictor"),
        ("RATINGS_ALGORITHM", "os.system"),
        ("RATINGS_ALGORITHM_OPTIONS", "[1]"),
        ("RATINGS_ALGORITHM_OPTIONS", "n_epochs=3"),
        ("RATINGS_ALGORITHM_OPTIONS", "{'n_epochs': 3}"),
        ("RATINGS_ALGORITHM_OPTIONS", "5"),
        ("RATINGS_SEED", "-1"),
        ("RATINGS_MAX_RMSE_RISE", "-0.1"),
        ("RATINGS_MAX_RMSE_RISE", "nan"),
        ("RATINGS_RETENTION_DAYS", "1"),
        ("RATINGS_COALESCE", "perhaps"),
        ("RATINGS_CUSTOM_ALGORITHMS", "a.b:C,nonsense"),
        ("RATINGS_MAX_BODY_BYTES", "1"),
    ],
)
def test_a_wrong_value_is_told_with_variable_value_and_what_is_allowed(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=rf"^{variable}=.* is not allowed: .*\. Expected: ."):
        RatingsSettings.load()


def test_switches_and_lists(monkeypatch):
    for variable, value in {
        "RATINGS_MAX_RMSE_RISE": "off",
        "RATINGS_RETENTION_DAYS": "30",
        "RATINGS_CUSTOM_ALGORITHMS": "a.b:C, d:E",
        "RATINGS_ALGORITHM_OPTIONS": '{"n_epochs": 3}',
        "RATINGS_SEED": "",
    }.items():
        monkeypatch.setenv(variable, value)
    settings = RatingsSettings.load()
    assert (settings.rmse_rise_limit, settings.retention, settings.seed) == (None, 30, 0)
    assert settings.selectable_algorithms[-2:] == ["a.b:C", "d:E"]
    assert settings.algorithm_options == {"n_epochs": 3}


def test_another_movielens_set_is_refused_before_the_start(monkeypatch, tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,964982703\n")
    for location in (tmp_path, tmp_path / "missing"):
        monkeypatch.setenv("MOVIELENS_100K", str(location))
        with pytest.raises(SettingsError, match=rf"^MOVIELENS_100K='{location}' is not allowed: .* was expected"):
            RatingsSettings.load().check()
    monkeypatch.setenv("MOVIELENS_100K", str(tmp_path))
    with pytest.raises(SettingsError, match=r"MovieLens 100K was expected.*another MovieLens data set"):
        RatingsSettings.load().check()


@pytest.mark.real_data
def test_movielens_100k_is_accepted(monkeypatch):
    location = os.environ.get("MOVIELENS_100K") or f"{os.environ['QUARTET_REAL_DATA']}/movielens-100k"
    monkeypatch.setenv("MOVIELENS_100K", location)
    RatingsSettings.load().check()
