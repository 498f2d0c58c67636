"""Metrics that the workflows send of a run and of their state."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from include.articles.database import models, schema
from include.articles.database.tables import MODEL
from include.audience.state import Figures
from include.core.storage import write_json
from include.songs import layout
from include.workflows import metrics as all_metrics
from quartet.hooks import metrics
from quartet.hooks.database import DatabaseHook
from quartet.workflows import articles, audience
from quartet.workflows.songs import SongsHook

SITE = "washington-city-paper"


@pytest.fixture
def sent(monkeypatch):
    """Collect the metrics that would be sent: (name, tags) → value."""
    found = {}

    def take(metric, value, tags, in_callback):
        assert set(tags) == set(all_metrics()[metric].tags), metric
        found[metric, tuple(tags.values())] = value

    monkeypatch.setattr(metrics, "_send", take)
    return found


def test_the_age_of_the_newest_delivered_day(home, monkeypatch):
    monkeypatch.setenv("SONGS_REPORT_TIMEZONE", "UTC")
    hook = SongsHook()
    assert hook.lag() == {}
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    write_json(layout.report_file(hook.root, yesterday), {})
    assert 0 <= hook.lag()["data_lag_hours"] < 25


def test_a_day_of_songs(home, sent):
    found = {"rows_outside_day": 2, "without_listener": 3, "seconds": {"read": 1.5, "write": 2}}
    SongsHook()._measure({"rows": 10, "groups": 4, "engine": "duckdb", "metrics": found})
    assert sent == {
        ("songs.rows", ("duckdb",)): 10,
        ("songs.groups", ("duckdb",)): 4,
        ("songs.plays_outside_day", ("duckdb",)): 2,
        ("songs.plays_without_listener", ("duckdb",)): 3,
        ("songs.engine_seconds", ("duckdb",)): 3.5,
    }


class Task:
    """A labeling task whose source cannot be reached."""

    class task:
        target_schema = "wh_demo"

    def coverage(self, produced):
        return {"forum": produced["forum"] / 4}

    def lag_hours(self):
        raise ConnectionError("no server")


def test_a_labeling_task_continues_when_a_metric_cannot_be_measured(sent, caplog):
    pipeline = Task()
    audience.measure_source(pipeline)
    audience.measure_labels(pipeline, Figures(7, 4, ["forum"], [4], 0.5))
    audience.measure_panels(pipeline, {"forum": 3})
    assert sent == {
        ("audience.posts", ("wh_demo",)): 7,
        ("audience.labelled_rows", ("wh_demo",)): 4,
        ("audience.label_minutes", ("wh_demo",)): 0.5,
        ("audience.coverage", ("wh_demo", "forum")): 0.75,
    }
    assert "no server" in caplog.text


def test_the_age_of_the_served_models(home, sent, monkeypatch):
    (home / "sites.yaml").write_text(f"{SITE}:\n  enabled: true\n")
    articles.measure_state()
    assert sent == {}
    now = datetime.now(UTC)
    with DatabaseHook("quartet_articles").engine() as engine:
        schema.upgrade(engine)
        made = models.open_models(engine, SITE, "run", ["popularity"], now - timedelta(hours=3), now)
        with engine.begin() as connection:
            served = update(MODEL).where(MODEL.c.id == made["popularity"]).values(status="current")
            connection.execute(served)
    articles.measure_state()
    assert sent[("article_recs.model_age_hours", (SITE, "popularity"))] == pytest.approx(3, abs=0.1)
    assert len(sent) == 1
