"""From the context of a task to the pipeline of a site, and its ends as Airflow sees them."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.articles.events.archive import events_url
from include.articles.plan import Plan
from include.articles.sites.configuration import SitesError
from include.core.errors import BadDataError, NothingToDoError, TransientError
from quartet.workflows.articles import articles_run, mark_failed

SITE = "washington-city-paper"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def context(run_type="scheduled", logical_date=NOON, conf=None, **params):
    run = SimpleNamespace(
        dag_id="article_recs",
        run_id="run",
        run_type=run_type,
        logical_date=logical_date,
        run_after=NOON.replace(hour=13),
        start_date=NOON,
        conf=conf,
    )
    return {"dag_run": run, "params": params | (conf or {})}


@pytest.fixture(autouse=True)
def own_home(home):
    """Protect the user's files from every test."""


def plan(run_type="scheduled", **given) -> Plan:
    """Return the plan that a run is started with."""
    with articles_run(context(run_type, **given), SITE) as run:
        return run.dependencies.requested_plan()


def test_a_run_has_the_instant_of_its_logical_date_or_of_its_start():
    assert plan().run_at == NOON
    assert plan(logical_date=None).run_at == NOON.replace(hour=13)
    assert plan(run_at="2026-01-02T03:04:05-05:00").run_at == datetime(2026, 1, 2, 8, 4, 5, tzinfo=UTC)
    with pytest.raises(BadDataError, match="with its offset"):
        plan(run_at="2026-01-02T03:04:05")


def test_a_run_of_the_future_is_refused():
    for given in ({"run_at": "2127-01-05T00:00:00Z"}, {"logical_date": NOON.replace(year=2127)}):
        with pytest.raises(BadDataError, match=r"run_at: an instant from 1970 to now .*found 2127-0"):
            plan(**given)


@pytest.mark.parametrize(
    ("run_type", "train", "trains"),
    [("scheduled", None, True), ("manual", None, True), ("backfill", None, False), ("backfill", True, True),
     ("manual", False, False)],
)  # fmt: skip
def test_a_backfill_trains_only_when_asked(run_type, train, trains):
    assert plan(run_type, train=train).train is trains


def test_params_stand_before_the_variable_and_the_environment(monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_ARTICLE_RECS", '{"MAX_RECS": 6, "epochs": 4}')
    monkeypatch.setenv("ARTICLE_RECS_EPOCHS", "9")
    monkeypatch.setenv("ARTICLE_RECS_FACTORS", "20")
    settings = plan(max_recs=5, epochs=None).settings
    assert (settings.max_recs, settings.epochs, settings.factors) == (5, 4, 20)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{"max_rec": 6}', "'max_rec' is not a parameter; these are: .*max_recs"),
        ("{days_of_data: 14}", "a JSON object was expected: Expecting property name"),
        ("[1]", "a JSON object was expected, found a list of 1"),
        ('"days"', "a JSON object was expected, found 'days'"),
        ("null", "a JSON object was expected, found None"),
        ('{"days_of_data": 0}', "days_of_data: .*found 0"),
        ('{"max_recs": 6, "MAX_RECS": 7}', "max_recs occurs twice"),
        ("[" * 100_000, "a JSON object was expected"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch, value, message):
    monkeypatch.setenv("AIRFLOW_VAR_ARTICLE_RECS", value)
    with pytest.raises(BadDataError, match=f"the Airflow Variable article_recs: {message}"):
        plan()


@pytest.mark.parametrize("value", ["", "  ", "{}", '{"max_recs": ""}'])
def test_an_empty_variable_sets_nothing(monkeypatch, value):
    monkeypatch.setenv("AIRFLOW_VAR_ARTICLE_RECS", value)
    assert plan().settings.max_recs == 20


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"halflife": 3}, r"the conf of the run: 'halflife' is not a parameter; these are: run_at, train, .*max_recs"),
        ({"cache_seconds": 3}, "'cache_seconds' is not a parameter"),
        ({"max_recs": 0}, "the conf of the run: max_recs: .*found 0"),
        ({"dwell_half_life_days": "soon"}, "the conf of the run: dwell_half_life_days: .*found 'soon'"),
        ({"max_recs": 3, "MAX_RECS": 4}, "max_recs occurs twice"),
    ],
)
def test_an_unknown_name_in_the_conf_is_refused_with_those_that_are_known(conf, message):
    with pytest.raises(BadDataError, match=message):
        plan(conf=conf)


def test_names_in_the_conf_may_be_written_as_in_the_environment():
    given = plan(conf={"MAX_RECS": 3, "RUN_AT": "2026-01-02T03:04:05Z"}, max_recs=7, run_at=None)
    assert (given.settings.max_recs, given.run_at) == (3, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_the_steps_of_a_run_share_a_folder_and_a_step_without_work_is_skipped(home):
    with articles_run(context(), SITE) as run:
        assert str(run.files.folder).startswith(f"file://{home}/data/articles/{SITE}/runs/20260310T120000Z-")
        assert set(run.create_model()) == {"popularity", "article"}
    assert (home / "data" / "articles.db").exists()
    with pytest.raises(AirflowSkipException, match="why"), articles_run(context(), SITE):
        raise NothingToDoError("why")


def test_the_tasks_of_a_run_keep_the_site_with_which_it_began(home):
    sites = home / "sites.yaml"
    sites.write_text(f"{SITE}: {{attempts: 7}}\n")
    with articles_run(context(), SITE, begins=True) as run:
        run.create_model()
    sites.write_text(f"{SITE}: {{attempts: 0}}\n")
    with articles_run(context(), SITE) as run:
        assert run.site.attempts == 7
    with pytest.raises(SitesError, match=f"site {SITE}, attempts: "), articles_run(context(), SITE, begins=True):
        pass


def test_a_run_of_a_site_that_is_not_valid_has_no_models_to_mark(home):
    (home / "sites.yaml").write_text(f"{SITE}: {{attempts: 0}}\n")
    mark_failed(context(), SITE)


def test_a_failed_run_marks_its_models_with_the_error_that_was_seen(home):
    import sqlite3

    with articles_run(context(), SITE) as run:
        run.create_model()
    with pytest.raises(RuntimeError), articles_run(context(), SITE):
        raise RuntimeError("the bucket is not there")
    mark_failed(context() | {"reason": "task_failure"}, SITE)
    connection = sqlite3.connect(home / "data" / "articles.db")
    rows = list(connection.execute("SELECT status, error FROM model"))
    connection.close()
    assert rows == [("failed", "RuntimeError: the bucket is not there")] * 2


@pytest.mark.parametrize(
    ("error", "expected"),
    [(PermissionError(13, "denied", "events/a.gz"), BadDataError), (TimeoutError("slow"), TransientError)],
)
def test_an_error_of_the_storage_fails_at_once_or_is_retried(error, expected):
    with pytest.raises(expected, match=r"denied.*a\.gz|slow"), articles_run(context(), SITE):
        raise error


def test_a_database_that_is_no_database_fails_at_once(home):
    (home / "data").mkdir()
    (home / "data" / "articles.db").write_text("text" * 999)
    with pytest.raises(BadDataError, match="file is not a database"), articles_run(context(), SITE) as run:
        run.create_model()


def test_a_metric_that_cannot_be_sent_fails_nothing(monkeypatch):
    from airflow.sdk.observability import stats

    sent = []

    def refuse(*given, **tags):
        sent.append((*given, tags))
        raise OSError("no server")

    monkeypatch.setattr(stats.Stats, "gauge", refuse, raising=False)
    with articles_run(context(), SITE) as run:
        run.dependencies.measure("downloaded_rows", 5)
    assert sent == [("article_recs.downloaded_rows", 5, {"tags": {"site": SITE}})]


@pytest.mark.parametrize(
    ("bucket", "url"),
    [("lnl-events", "s3://lnl-events"), ("s3://b/p/", "s3://b/p"), ("file:///tmp/e", "file:///tmp/e")],
)
def test_events_may_lie_in_a_bucket_or_a_folder(bucket, url, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_QUARTET_STORAGE", '{"conn_type": "aws", "login": "id", "password": "secret"}')
    with articles_run(context(), SITE) as run:
        opened = run.dependencies.open_url(events_url(bucket))
    assert str(opened).rstrip("/") in (url, url.replace("s3://", "s3://quartet_storage@"))
