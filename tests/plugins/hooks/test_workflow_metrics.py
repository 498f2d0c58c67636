"""Metrics that the workflows send of a run and of their state."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from include.articles.database import models, schema
from include.articles.database.tables import MODEL
from include.audience.state import Figures
from include.workflows import metrics as all_metrics
from quartet.hooks import metrics
from quartet.hooks.database import DatabaseHook
from quartet.workflows import articles, audience

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
