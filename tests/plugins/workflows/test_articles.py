"""What a run is made of: params, Airflow Variable, environment; what its tasks get."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.articles.pipeline import NoTrainingError
from include.core.errors import BadDataError
from quartet.workflows.articles import ArticlesHook

SITE = "washington-city-paper"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def context(run_type="scheduled", logical_date=NOON, **params):
    run = SimpleNamespace(
        run_id="run", run_type=run_type, logical_date=logical_date, run_after=NOON.replace(hour=13), start_date=NOON
    )
    return {"dag_run": run, "params": params}


@pytest.fixture
def hook(home):
    return ArticlesHook(SITE)


def test_a_run_has_the_instant_of_its_logical_date_or_of_its_start(hook):
    assert hook.plan(context()).run_at == NOON
    assert hook.plan(context(logical_date=None)).run_at == NOON.replace(hour=13)
    assert hook.plan(context(run_at="2026-01-02T03:04:05-05:00")).run_at == datetime(2026, 1, 2, 8, 4, 5, tzinfo=UTC)
    with pytest.raises(BadDataError, match="with its offset"):
        hook.plan(context(run_at="2026-01-02T03:04:05"))


@pytest.mark.parametrize(
    ("run_type", "train", "trains"),
    [("scheduled", None, True), ("manual", None, True), ("backfill", None, False), ("backfill", True, True),
     ("manual", False, False)],
)  # fmt: skip
def test_a_backfill_trains_only_when_asked(hook, run_type, train, trains):
    assert hook.plan(context(run_type, train=train)).train is trains


def test_params_stand_before_the_variable_and_the_environment(hook, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_ARTICLE_RECS", '{"MAX_RECS": 6, "epochs": 4}')
    monkeypatch.setenv("ARTICLE_RECS_EPOCHS", "9")
    monkeypatch.setenv("ARTICLE_RECS_FACTORS", "20")
    settings = hook.plan(context(max_recs=5, epochs=None)).settings
    assert (settings.max_recs, settings.epochs, settings.factors) == (5, 4, 20)


def test_a_wrong_variable_is_named(hook, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_ARTICLE_RECS", '{"max_rec": 6}')
    with pytest.raises(BadDataError, match="max_rec is not a parameter"):
        hook.plan(context())


def test_the_steps_share_a_folder_a_run_and_what_has_nothing_to_do_is_skipped(hook, home):
    with hook.pipeline(context()) as pipeline:
        assert str(pipeline.folder).startswith(f"file://{home}/data/articles/{SITE}/runs/20260310T120000Z-")
        made = pipeline.create_model(hook.plan(context()))
        assert set(made) == {"popularity", "article"}
    assert (home / "data" / "articles.db").exists()
    with pytest.raises(AirflowSkipException, match="why"), hook.pipeline(context()):
        raise NoTrainingError("why")


def test_a_failed_run_marks_its_models_with_the_error_that_was_seen(hook, home):
    import sqlite3

    with hook.pipeline(context()) as pipeline:
        pipeline.create_model(hook.plan(context()))
    with pytest.raises(RuntimeError), hook.pipeline(context()):
        raise RuntimeError("the bucket is not there")
    hook.record_failure(context() | {"reason": "task_failure"})
    connection = sqlite3.connect(home / "data" / "articles.db")
    rows = list(connection.execute("SELECT status, error FROM model"))
    connection.close()
    assert rows == [("failed", "RuntimeError: the bucket is not there")] * 2


def test_a_figure_that_cannot_be_sent_fails_nothing(hook, monkeypatch):
    from airflow.sdk.observability import stats

    sent = []

    def refuse(*given, **tags):
        sent.append((*given, tags))
        raise OSError("no server")

    monkeypatch.setattr(stats.Stats, "gauge", refuse, raising=False)
    hook._measure("downloaded_rows", 5)
    assert sent == [("article_recs.downloaded_rows", 5, {"tags": {"site": SITE}})]


@pytest.mark.parametrize(
    ("bucket", "url"),
    [("lnl-events", "s3://lnl-events"), ("s3://b/p/", "s3://b/p"), ("file:///tmp/e", "file:///tmp/e")],
)
def test_events_may_lie_in_a_bucket_or_a_folder(hook, bucket, url, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_STORAGE", '{"conn_type": "aws", "login": "id", "password": "secret"}')
    assert str(hook._events(bucket)).rstrip("/") in (url, url.replace("s3://", "s3://quartet_storage@"))
