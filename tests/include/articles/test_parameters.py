import json
from datetime import date

import pytest

from include.articles import parameters
from include.articles.settings import PARAMETERS, ArticleSettings
from include.core.errors import BadDataError, SettingsError


def test_the_run_stands_before_the_variable_the_environment_and_the_default(monkeypatch):
    monkeypatch.setenv("ARTICLE_RECS_MAX_RECS", "7")
    monkeypatch.setenv("ARTICLE_RECS_EPOCHS", "3")
    monkeypatch.setenv("ARTICLE_RECS_FACTORS", "50")
    found = parameters.resolve({"max_recs": 5, "epochs": None}, {"max_recs": 6, "EPOCHS": 4})
    assert (found.max_recs, found.epochs, found.factors, found.days_of_data) == (5, 4, 50, 28)


def test_an_empty_text_is_no_value():
    assert parameters.resolve({"ga_data_bucket": "", "metadata_backfill_before": ""}).ga_data_bucket.startswith("lnl-")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_recs", 0),
        ("days_of_data", -1),
        ("recs_half_life_days", 0),
        ("recs_half_life_days", "nan"),
        ("defaults_confidence", 1.5),
        ("model", "magic"),
        ("metadata_backfill_before", "soon"),
    ],
)
def test_a_value_that_is_not_allowed_fails_before_any_work(name, value):
    with pytest.raises(SettingsError, match=f"ARTICLE_RECS_{name.upper()}"):
        parameters.resolve({name: value})


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(BadDataError, match=r"max_rec is not a parameter of a run; these are: .*max_recs"):
        parameters.resolve({}, {"max_rec": 5})


def test_what_is_pinned_does_not_change_with_the_environment(monkeypatch):
    given = {"recs_half_life_days": "inf", "dwell_half_life_days": 0.1 + 0.2, "max_shrink": 0.5, "save_figures": True}
    settings = parameters.resolve(given, {"metadata_backfill_before": "2026-01-31"})
    text = json.loads(json.dumps(parameters.pinned(settings)))
    for name in PARAMETERS:
        monkeypatch.setenv(ArticleSettings.variable(name), "1")
    monkeypatch.setenv("ARTICLE_RECS_METADATA_BACKFILL_BEFORE", "2020-01-01")
    found = parameters.restored(text)
    assert found.model_dump(include=set(PARAMETERS)) == settings.model_dump(include=set(PARAMETERS))
    assert found.metadata_backfill_before == date(2026, 1, 31)
    assert found.dwell_half_life_days == 0.30000000000000004


def test_each_parameter_is_described_and_takes_null():
    for name in PARAMETERS:
        found = parameters.schema(name)
        assert "null" in found["type"]
        assert found["description"]
    assert parameters.schema("model")["enum"] == ["als", "blend", "cooccurrence", "next", None]
    assert parameters.schema("max_recs") == {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 1000,
        "description": "maximum number of recommendations per article",
    }
