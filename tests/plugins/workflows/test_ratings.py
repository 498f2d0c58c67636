"""Runs of the ratings workflow in Airflow, on local storage and a real MLflow."""

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from deploy.demo.ratings.generate import movielens_like
from include.ratings import report
from include.ratings.data import base
from include.ratings.errors import UnknownVersionError
from include.ratings.models.champion import promotions, read_champion
from quartet.hooks import metrics
from quartet.hooks.registry import RegistryHook
from quartet.hooks.storage import StorageHook
from quartet.workflows.ratings import measure_state, ratings_run
from tests.support.ratings_runs import context, train

pytestmark = pytest.mark.usefixtures("fast_ratings")


@pytest.fixture
def root(registry_home):
    """Return the workflow's folder with base data."""
    root = StorageHook().path("ratings")
    base.store(root, movielens_like(seed=1, ratings=1_500), "test")
    return root


@pytest.fixture
def sent(monkeypatch) -> dict[str, float]:
    """Return the metrics that are sent."""
    found: dict[str, float] = {}
    monkeypatch.setattr(metrics, "_send", lambda metric, value, tags, in_callback: found.update({metric: value}))
    return found


def test_a_training_moves_the_champion_and_tells_of_it(root, notes, sent):
    train("run-1")
    assert read_champion(root).version == 1
    assert int(RegistryHook().client().get_model_version_by_alias("ratings", "champion").version) == 1
    assert notes == ["first model; model 1 is the new champion"]
    assert (sent["ratings.table_rows"], sent["ratings.queue_files"]) == (0, 0)
    assert sent["ratings.champion_holdout_rmse"] > 0


def test_a_run_with_nothing_to_do_is_skipped_with_a_note_and_a_report(root, notes):
    train("run-1")
    with (
        pytest.raises(AirflowSkipException, match="nothing to do: training version 0 is the newest"),
        ratings_run(context("run-2")) as run,
    ):
        run.ingest()
    assert notes[-1] == "nothing to do: training version 0 is the newest"
    assert report.read(root, "train", "run-2")["made"] == "nothing"


def test_without_a_champion_predicting_is_skipped_and_the_queue_is_measured(root, notes, sent):
    (root / "streaming").mkdir()
    (root / "streaming" / "a.txt").write_text("1 1\n")
    with pytest.raises(AirflowSkipException), ratings_run(context("run-1", "ratings_predict")) as run:
        run.predict()
    assert notes == ["no champion yet: 1 files waiting"]
    assert sent["ratings.queue_files"] == 1


def test_a_run_acts_for_the_user_who_started_it(root):
    train("run-1")
    asked = context("run-2", model=1)
    asked["dag_run"].triggering_user_name = "ann"
    train("run-0", reprocess=True)
    with ratings_run(asked) as run:
        assert run.ingest()["by"] == "ann"
    assert [each["by"] for each in promotions(root, 9)] == ["quartet"]


def test_errors_pass(root):
    with pytest.raises(UnknownVersionError), ratings_run(context("run-1", model=7)) as run:
        run.ingest()


def test_the_state_is_measured(root, sent):
    measure_state()
    assert sent == {"ratings.queue_files": 0, "ratings.queue_age_seconds": 0}
