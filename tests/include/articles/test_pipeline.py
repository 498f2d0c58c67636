"""The steps together: what is served at the end, whatever happens in between."""

import shutil
from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import URL, make_url

from include.articles import figures, pipeline, publishing, report
from include.articles.database.models import ShrunkError
from include.articles.events.archive import NoEventsError, TooManyBadLinesError
from include.articles.pipeline import NothingLeftError, StaleEventsError
from include.articles.plan import NoPlanError
from include.core.errors import NothingToDoError
from tests.include.articles import archive
from tests.include.articles.runner import END, GAZETTE, STEPS, Runner

BOTH = ("popularity", "article")
OTHER = {"page_urlhost": "other-post.example"}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path) -> URL:
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path}/articles.db")
    return request.getfixturevalue("postgres")


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Draw nothing: figures take longer than all other steps, and only the test of the report looks at them."""
    monkeypatch.setattr(figures, "of_run", lambda *_: {})


@pytest.fixture
def runner(tmp_path, url, no_figures) -> Runner:
    return Runner(tmp_path, url)


@pytest.fixture
def drawing(tmp_path) -> Runner:
    """A runner on SQLite only that draws its figures."""
    return Runner(tmp_path, make_url(f"sqlite:///{tmp_path}/articles.db"))


@pytest.fixture
def lone(drawing, no_figures) -> Runner:
    """A runner on SQLite only, for what does not depend on the database."""
    return drawing


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """What a run serves in which nothing goes wrong, by kind."""
    root = tmp_path_factory.mktemp("undisturbed")
    runner = Runner(root, make_url(f"sqlite:///{root}/articles.db"))
    runner.run(runner.plan(), STEPS[:8])
    return {kind: runner.served(kind) for kind in BOTH}


def test_from_events_to_served_lists(runner):
    plan = runner.plan(max_recs=7)
    found = runner.run(plan)
    assert runner.models() == {("run", "popularity"): "current", ("run", "article"): "current"}
    lists, defaults = runner.served("article"), runner.served("popularity")
    sources = lists["source"].nunique()
    assert sources == found["train_model"]["articles"] > 30
    assert (lists.groupby("source").size() == 7).all()
    assert (lists["source"] != lists["target"]).all()
    assert set(defaults["source"]) == {"default"}
    assert defaults["score"].iloc[0] == 1
    assert defaults["score"].is_monotonic_decreasing
    topics = GAZETTE.articles.set_index("external_id")["topic"]
    first = lists[lists["rank"] == 1]
    assert (first["source"].map(topics) == first["target"].map(topics)).mean() > 0.35  # by chance 0.17
    assert sorted(runner.asked) == sorted(set(runner.asked))  # each page once
    assert {"downloaded_rows", "article_scraping_total", "rec_creation_total", "model_training_time"} <= set(
        runner.measured
    )


def test_the_report_tells_what_happened(drawing):
    plan = drawing.plan()
    drawing.run(plan)
    found = drawing.report(plan)
    assert found["parameters"]["epochs"] == "1"
    assert found["run_at"] == "2026-03-10T12:00:00+00:00"
    steps = found["steps"]
    assert steps["fetch_data"]["bad_lines"] == 2
    assert steps["filter_events"]["after"]["articles"] <= steps["filter_events"]["before"]["articles"]
    assert steps["save_predictions"]["status"] == "current"
    assert 0 <= steps["filter_events"]["lag_hours"] < 1
    assert set(drawing.recorded[1]) == {"scores.png", "ages.png"}
    assert not drawing.files(plan).gaps.exists()
    later = drawing.plan("next", END + timedelta(hours=2), save_figures=True)
    drawing.run(later)
    assert drawing.report(later)["steps"]["save_predictions"]["overlap_with_previous"] > 0.5
    recorded, figures = drawing.recorded
    assert recorded == drawing.report(later)
    assert set(figures) == {"scores.png", "ages.png", "gaps.png"}
    assert all(figure.startswith(b"\x89PNG") for figure in figures.values())
    assert drawing.notes[-1] == report.summary(recorded)
    assert drawing.measured["job_time"] == 60


def test_the_same_run_gives_the_same_lists(runner):
    runner.run(runner.plan("a"))
    before = {kind: runner.served(kind) for kind in BOTH}
    runner.run(runner.plan("b"))
    for kind in BOTH:
        pd.testing.assert_frame_equal(runner.served(kind), before[kind])
    assert runner.models()["a", "article"] == "stale"


def test_a_later_run_reads_only_what_is_new(lone):
    late = sorted(lone.archive.glob("enriched/good/2026/03/10/1[01]/*.gz"))
    aside = {path: path.read_bytes() for path in late}
    for path in late:
        path.unlink()
    lone.run(lone.plan("a", END - timedelta(hours=2)))
    for path, data in aside.items():
        path.write_bytes(data)
    found = lone.run(lone.plan("b"))
    assert found["fetch_data"]["new_files"] == len(late) > 0
    with_cache = lone.served("article")
    shutil.rmtree(lone.root / "demo-gazette" / "extracts")
    found = lone.run(lone.plan("c"))
    assert found["fetch_data"]["new_files"] == found["fetch_data"]["files"]
    pd.testing.assert_frame_equal(lone.served("article"), with_cache)


@pytest.mark.parametrize("step", STEPS[1:8])
def test_a_step_that_dies_is_done_again_with_the_same_end(lone, undisturbed, step, monkeypatch):
    plan = lone.plan()
    lone.run(plan, STEPS[: STEPS.index(step)])

    class DeathError(BaseException):
        """Nothing in a step can catch it."""

    def die(*_, **__):
        raise DeathError

    names = {"create_model": "schema", "fetch_data": "write_json", "filter_events": "without_unused"}
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.Pipeline, "_done", die)  # all is written, and nobody knows
        if step in names:
            patch.setattr(pipeline, names[step], die)
        with pytest.raises(DeathError):
            lone.run(plan, [step])
    lone.run(plan, STEPS[STEPS.index(step) :])
    for kind in BOTH:
        pd.testing.assert_frame_equal(lone.served(kind), undisturbed[kind])
    assert set(lone.models().values()) == {"current"}


def test_a_failed_run_leaves_what_is_served_and_goes_on_when_it_is_cleared(runner, monkeypatch):
    runner.run(runner.plan("good"))
    before = runner.served("article")
    plan = runner.plan("bad", END + timedelta(hours=2), max_recs=3)

    def break_(*_, **__):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(publishing.recommendations, "write", break_)
        runner.run(plan, STEPS[:5])
        with pytest.raises(OSError, match="disk"):
            runner.run(plan, ["save_defaults"])
        runner.run(plan, ["train_model"])
        with pytest.raises(OSError, match="disk"):
            runner.run(plan, ["save_predictions"])
        runner.pipeline(plan).fail("a task of the run failed")
    assert runner.models()["bad", "article"] == "failed"
    assert runner.models()["good", "article"] == "current"
    pd.testing.assert_frame_equal(runner.served("article"), before)
    [row] = runner.rows("SELECT error FROM model WHERE run_id = 'bad' AND type = 'article'")
    assert "the disk is full" in row.error
    runner.run(plan, ["save_defaults", "save_predictions"])  # cleared from there
    assert {runner.models()["bad", kind] for kind in BOTH} == {"current"}
    assert runner.served("article").groupby("source").size().max() == 3


def test_a_cleared_run_begins_anew(lone):
    plan = lone.plan()
    lone.run(plan, STEPS[:3])
    lone.pipeline(plan).fail("killed")
    lone.run(plan)
    assert lone.models() == {("run", "popularity"): "current", ("run", "article"): "current"}
    lone.run(plan)  # a run that is served is done again without harm
    assert lone.models() == {("run", "popularity"): "current", ("run", "article"): "current"}


def test_a_run_overtaken_by_a_newer_one_is_not_served(runner):
    old, new = runner.plan("old", END - timedelta(hours=2)), runner.plan("new")
    runner.run(old, STEPS[:7])
    runner.run(new)
    runner.run(old, STEPS[7:])
    assert runner.models()["old", "article"] == "stale"
    assert runner.models()["new", "article"] == "current"


def test_sites_that_share_an_archive_do_not_mix(lone):
    visits = [
        archive.record(f"amp-{reader}", f"/article/{article}/x/", f"2026-03-10T11:{minute:02}:00Z")
        for reader in range(9)
        for article in ("1", "2", "777")
        for minute in (reader, reader + 5)
    ]
    lone.run(lone.plan("alone"), STEPS[:8])
    alone, asked = lone.served("article"), set(lone.asked)
    archive.put(lone.archive, archive.name(hour="2026/03/10/11"), [each | OTHER for each in visits])
    found = lone.run(lone.plan("shared"))
    assert found["fetch_data"]["foreign"] == len(visits)
    assert f"{len(visits)} events of other hosts left out" in lone.notes[-1]
    assert set(lone.asked) == asked
    pd.testing.assert_frame_equal(lone.served("article"), alone)


def test_sites_with_equal_ids_do_not_touch_each_other(runner):
    runner.run(runner.plan("a", max_recs=4))
    mine = runner.served("article")
    plan = runner.plan("a", max_recs=6)
    runner.run(plan.__class__("other-post", "a", END, True, plan.settings), name="other-post")
    pd.testing.assert_frame_equal(runner.served("article"), mine)
    assert runner.models()["a", "article"] == "current"
    assert runner.served("article", "other-post").groupby("source").size().max() == 6
    crossing = """SELECT count(*) FROM recommendation JOIN model ON model.id = model_id
        JOIN article ON article.id = recommended_article_id WHERE article.site <> model.site"""
    assert runner.rows(crossing)[0][0] == 0


def test_a_backfill_fills_extracts_and_articles_and_makes_no_models(lone):
    plan = lone.plan(train=False)
    found = lone.run(plan, STEPS[:4])
    assert found["scrape_metadata"]["creates"] > 30
    with pytest.raises(NothingToDoError, match="param train"):
        lone.run(plan, ["build_interactions"])
    lone.run(plan, ["clean_up", "report"])
    assert lone.models() == {}
    assert "build_interactions" not in lone.report(plan)["steps"]


def test_an_article_that_cannot_be_fetched_is_left_out_and_counted(lone):
    lone.run(lone.plan("a"))
    gone = lone.served("article")["source"].iloc[0]
    fresh = Runner(lone.root / "fresh", make_url(f"sqlite:///{lone.root}/fresh.db"), down={gone})
    found = fresh.run(fresh.plan("a"))
    assert found["scrape_metadata"]["errors"] == {"timeout": 1}
    lists = fresh.served("article")
    assert gone not in {*lists["source"], *lists["target"]}


def test_a_model_that_shrank_too_much_is_refused(lone):
    lone.run(lone.plan("a", max_shrink=0.3))
    before = lone.served("article")
    later = END + timedelta(hours=2)
    with pytest.raises(ShrunkError, match="ARTICLE_RECS_MAX_SHRINK"):
        lone.run(lone.plan("b", later, max_shrink=0.3, min_readers_per_article=10), STEPS[:8])
    pd.testing.assert_frame_equal(lone.served("article"), before)


def test_events_that_will_not_do_fail_with_the_reason(lone):
    plan = lone.plan("a", END + timedelta(days=30))
    with pytest.raises(NoEventsError):
        lone.run(plan, STEPS[:2])
    plan = lone.plan("b", max_bad_line_ratio=0)
    with pytest.raises(TooManyBadLinesError, match="ARTICLE_RECS_MAX_BAD_LINE_RATIO"):
        lone.run(plan, STEPS[:2])
    plan = lone.plan("c", min_reader_seconds=1e6)
    with pytest.raises(NothingLeftError, match=r"rows by step: .*'in_window': \d{4}"):
        lone.run(plan, STEPS[:5])
    plan = lone.plan("d", END + timedelta(days=2), max_lag_hours=24)
    with pytest.raises(StaleEventsError, match=r"the newest event is 4\d\.\d+ h older .*ARTICLE_RECS_MAX_LAG_HOURS"):
        lone.run(plan, STEPS[:3])
    errors = lone.rows("SELECT run_id, error FROM model WHERE type = 'article' ORDER BY run_id")
    assert [row.error.partition(":")[0] for row in errors] == [
        "NoEventsError",
        "TooManyBadLinesError",
        "NothingLeftError",
        "StaleEventsError",
    ]


def test_a_step_without_its_first_task_says_so(lone):
    with pytest.raises(NoPlanError, match="create_model"):
        lone.run(lone.plan(), ["fetch_data"])


def test_artefacts_are_copied_and_old_ones_go(lone, monkeypatch):
    monkeypatch.setenv("ARTICLE_RECS_ARTIFACTS_URL", f"file://{lone.root}/artefacts")
    monkeypatch.setattr(report, "ARTEFACT_RUNS", 2)
    folder = lone.root / "artefacts" / "demo-gazette"
    for number in range(4):
        plan = lone.plan(f"run{number}", END + timedelta(hours=number), train=number == 0)
        lone.run(plan, STEPS[:8] if number == 0 else STEPS[:4])
        lone.run(plan, ["report"])
        if number == 0:
            kept = {path.name for path in (folder / lone.files(plan).folder.name).iterdir()}
    assert {"run.json", "interactions.parquet", "matrix.npz", "article_vectors.npz", "weights.parquet"} <= kept
    assert sum(any(path.iterdir()) for path in folder.iterdir()) == 2
