"""Metrics that the workflows send of a run and of their state."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from deploy.demo.audience import generate
from include.articles.database import models, schema
from include.articles.database.tables import MODEL
from include.audience.settings import AudienceSettings
from include.audience.source.posts import Source
from include.core.database.engine import open_engine
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


def test_a_labeling_task_continues_when_a_metric_cannot_be_measured(home, sent, caplog, monkeypatch):
    def refuse(*_):
        raise ConnectionError("no server")

    monkeypatch.setattr(Source, "newest", refuse)
    settings = AudienceSettings.load()
    with open_engine(settings.source_url(settings.input_schema)) as engine:
        generate.write(engine, generate.rows(500))
    run = SimpleNamespace(dag_id="audience_labeling", run_id="r", run_after=datetime(2026, 1, 1, tzinfo=UTC))
    with audience.audience_run({"dag_run": run, "params": {}}) as steps:
        for batch in steps.open_task():
            steps.label(batch)
        steps.close_labeling()
        produced = steps.produce()
    tags = (settings.input_schema,)
    assert sent.pop(("audience.posts", tags)) == 484
    assert sent.pop(("audience.labelled_rows", tags)) > sum(produced.values()) > 0
    assert sent.pop(("audience.label_minutes", tags)) > 0
    assert {name for name, _ in sent} == {"audience.coverage"}
    assert {tags[1] for _, tags in sent} == set(produced)
    assert all(0 < share <= 1 for share in sent.values())
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
