"""The steps of the workflow, run as its DAGs run them; every task may die and be run again."""

import importlib
import linecache
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from surprise import AlgoBase

from include.core.errors import BadDataError, DamagedObjectError, NothingToDoError
from include.core.registry import ModelVersion
from include.core.storage import read_json, write_json
from include.ratings import layout
from include.ratings.data import base
from include.ratings.data.ledger import Ledger
from include.ratings.errors import UnknownVersionError
from include.ratings.models import cards, selection
from include.ratings.models.champion import Champion, promotions, read_champion, why_not_promoted
from include.ratings.pipeline import Pipeline
from include.ratings.plan import Plan
from include.ratings.report import Report
from include.ratings.settings import RatingsSettings
from tests.support.ratings import NOW, RatingsPlatform

HIGH, LOW = "1 1 5 100\n", "1 1 1 200\n"


def champion(platform: RatingsPlatform) -> Champion:
    found = read_champion(platform.store.path)
    assert found is not None
    assert found.version == platform.registry.champion
    return found


def test_the_first_run_trains_the_base_data_alone(platform):
    report = platform.run()
    assert (report.output, report.made) == ([1], "computed")
    assert champion(platform).version == 1
    assert cards.read_card(platform.store.path, 1).metrics["rows"] == 1_500


def test_the_first_run_also_takes_what_has_landed(platform):
    platform.drop("a.txt", HIGH)
    platform.run()
    assert cards.read_card(platform.store.path, 1).tags["training_version"] == "1"


def test_a_run_with_nothing_new_has_nothing_to_do(platform):
    platform.run()
    plan = platform.plan()
    assert plan.is_empty
    assert plan.reason.startswith("nothing to do")


def test_submitted_ratings_are_in_the_model(platform):
    platform.run()
    platform.drop("a.txt", "new film 1 100\nnew film 5 101\n")
    report = platform.run()
    metrics = cards.read_card(platform.store.path, 2).metrics
    assert (metrics["rows_submitted"], metrics["rows_replaced"], metrics["rows"]) == (2, 1, 1_501)
    assert report.counts == {"files": 1, "rows_added": 2, "rows_replaced": 1, "files_refused": 0}
    assert report.note.startswith("new training data; model 2 is the new champion: 1 files, 2 rows added, 1 rows rep")


def test_a_burst_makes_one_model_and_names_all_files(platform):
    platform.run()
    for number in range(30):
        platform.drop(f"f{number:02}.txt", f"u{number} m 3 {number}\n")
    report = platform.run()
    assert report.output == [2]
    assert report.input == [f"f{number:02}.txt" for number in range(30)]


def test_without_coalescing_each_file_makes_a_model_in_order(platform):
    platform.settings = RatingsSettings(algorithm="BaselineOnly", coalesce=False)
    platform.run()
    for number in range(3):
        platform.drop(f"f{number}.txt", f"u{number} m 3 {number}\n")
    assert platform.run().output == [2, 3, 4]
    assert [cards.training_version(cards.read_card(platform.store.path, version)) for version in (2, 3, 4)] == [
        1,
        2,
        3,
    ]
    assert champion(platform).version == 4


def test_ids_that_became_decimal_numbers_are_told(platform):
    platform.drop("a.txt", "244.0 346.0 2.0 880606923\n244 346.0 2 1\n244 346 2 1\nv1.0 1.5 2 1\n")
    report = platform.run()
    assert (report.counts["rows_added"], report.counts["rows_with_decimal_ids"]) == (4, 2)
    assert report.note.endswith("2 rows with decimal ids")


def test_an_algorithm_that_a_selection_chose_is_told(platform):
    platform.run()
    chosen = {"algorithm": "SVD", "options": {"n_epochs": 2}, "dag_run_id": "selection-1", "at": "2027"}
    write_json(layout.algorithm_file(platform.store.path), chosen)
    reason = platform.run(reprocess=True).reason
    assert "SVD was chosen by the model selection selection-1 and wins over RATINGS_ALGORITHM=BaselineOnly" in reason
    layout.algorithm_file(platform.store.path).unlink()
    assert "RATINGS_ALGORITHM" not in platform.run(reprocess=True).reason


def test_many_small_commits_are_compacted_on_the_way(platform, monkeypatch):
    monkeypatch.setattr("include.ratings.data.ledger.MAX_FILES", 3)
    platform.run()
    for number in range(5):
        platform.drop(f"f{number}.txt", f"u{number} m 3 {number}\n")
        platform.plan()
    ledger = Ledger(layout.training_table(platform.store))
    assert [entry.operation for entry in ledger.history()].count("compact") == 1
    assert platform.run().output == [2]
    assert cards.read_card(platform.store.path, 2).metrics["rows_submitted"] == 5


def test_a_rating_that_was_there_before_counts_as_replaced(platform):
    row = base.load(platform.store.path).rows[7]
    platform.drop("a.txt", f"{row.user} {row.movie} 1 100\n")
    assert platform.run().counts["rows_replaced"] == 1


def test_a_bad_file_is_refused_whole_once_and_the_others_are_taken(platform):
    platform.drop("bad.txt", "1 1 3 1\n1 1 9 1\n")
    platform.drop("good.txt", HIGH)
    plan = platform.plan()
    assert (plan.files, plan.counts["files_refused"]) == (["good.txt"], 1)
    assert platform.plan().counts["files_refused"] == 0
    platform.drop("bad.txt", "1 2 3 1\n1 3 4 1\n# longer than before")
    assert platform.plan(now=NOW * 2).counts["files_refused"] == 1
    platform.drop("bad.txt", "1 2 3 1\n")
    assert platform.plan().files == ["bad.txt"]


def test_a_file_that_is_still_being_written_is_left_for_later(platform):
    path = platform.drop("half.txt", "1 1 3 1\n1 2")
    written = path.stat().st_mtime
    assert platform.plan(now=written + 1).files == []
    platform.drop("half.txt", "1 1 3 1\n1 2 4 1")
    assert platform.plan(now=path.stat().st_mtime + 2.5).files == ["half.txt"]


def test_hidden_files_are_not_looked_at(platform):
    for name in (".a.txt", "_a.txt"):
        platform.drop(name, "rubbish\n")
    assert platform.plan().counts == {"files": 0, "rows_added": 0, "rows_replaced": 0, "files_refused": 0}


def test_odd_names_are_taken(platform):
    names = ["a b.txt", "ä'\"; drop.txt", "no-extension", "x" * 200]
    for number, name in enumerate(names):
        platform.drop(name, f"u m{number} 3 1\n")
    assert platform.plan().files == sorted(names)
    assert platform.plan().files == []


def test_the_same_recipe_is_never_trained_twice(platform):
    platform.run()
    report = platform.run(reprocess=True)
    assert (report.output, report.made) == ([1], "reused")
    assert len(platform.registry.versions) == 1


def test_new_options_train_only_when_asked(platform):
    platform.run()
    platform.settings = RatingsSettings(algorithm="SVD", algorithm_options={"n_epochs": 1}, max_rmse_rise="off")
    assert platform.run() is None
    assert platform.run(reprocess=True).output == [2]
    assert cards.read_card(platform.store.path, 2).tags["algorithm"] == "SVD"


class TestGuard:
    """A worse model is kept but not promoted."""

    @pytest.fixture
    def spoiled(self, platform: RatingsPlatform) -> RatingsPlatform:
        platform.run()
        users = {row.user for row in base.load(platform.store.path).rows}
        rows = (f"{user} x{number} 5 1\n" for user in users for number in range(20))
        platform.drop("spoil.txt", "".join(rows))
        return platform

    def test_a_worse_model_is_not_promoted_and_the_run_says_so(self, spoiled):
        report = spoiled.run()
        assert "model 2 is not promoted: holdout RMSE" in report.reason
        assert champion(spoiled).version == 1
        assert spoiled.run() is None

    def test_it_can_be_promoted_by_hand(self, spoiled):
        spoiled.run()
        spoiled.run(model=2, by="ann")
        assert champion(spoiled).version == 2
        assert promotions(spoiled.store.path, 1)[0]["by"] == "ann"

    def test_it_is_promoted_when_the_guard_is_off(self, spoiled):
        spoiled.settings = RatingsSettings(algorithm="BaselineOnly", max_rmse_rise="off")
        spoiled.run()
        assert champion(spoiled).version == 2


class Useless(AlgoBase):
    """Estimates a constant, which is no better than the mean."""

    def __init__(self, constant: float = 1.0) -> None:
        super().__init__()
        self.constant = constant

    def estimate(self, u, i):
        return self.constant


class TestUselessModels:
    """A model with numbers that are not finite, or no better than the mean, is never promoted."""

    DIVERGED: ClassVar = {"algorithm": "SVD", "algorithm_options": {"lr_all": 10.0}}
    CONSTANT: ClassVar = {"algorithm": "tests.include.ratings.test_pipeline:Useless"}
    NAN: ClassVar = {**CONSTANT, "algorithm_options": {"constant": float("nan")}}

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            (DIVERGED, "not finite numbers"),
            (NAN, "not finite numbers"),
            (CONSTANT, "is no better than the 1.0908 of the mean"),
        ],
    )
    @pytest.mark.parametrize("guard", [0.02, "off"])
    def test_not_even_the_first_one(self, platform, settings, reason, guard):
        platform.settings = RatingsSettings(**settings, max_rmse_rise=guard)
        report = platform.run()
        assert report.output == [1]
        assert "model 1 is not promoted: " in report.reason
        assert reason in report.reason
        assert read_champion(platform.store.path) is None
        assert platform.registry.champion is None
        with pytest.raises(BadDataError, match="model 1 is never promoted"):
            platform.run(model=1)
        platform.settings = RatingsSettings(algorithm="BaselineOnly")
        platform.run(reprocess=True)
        assert champion(platform).version == 2

    @pytest.mark.parametrize("settings", [DIVERGED, NAN, CONSTANT])
    def test_nor_when_somebody_asks(self, platform, settings):
        platform.run()
        platform.settings = RatingsSettings(**settings, max_rmse_rise="off")
        assert "model 2 is not promoted" in platform.run(reprocess=True).reason
        assert champion(platform).version == 1

    def test_metrics_stay_numbers_that_json_has(self, platform):
        platform.settings = RatingsSettings(**self.NAN)
        platform.run()
        metrics = cards.read_card(platform.store.path, 1).metrics
        assert all(map(math.isfinite, metrics.values()))

    def test_a_model_of_an_earlier_release_may_be_promoted(self):
        card = ModelVersion(1, "", "", "", {"base_sha256": "0"}, {"holdout_rmse": 9.0})
        assert why_not_promoted(None, card, None) is None


@pytest.fixture
def grown(platform: RatingsPlatform) -> RatingsPlatform:
    """Return a platform with three models, one for the base data and one for each of two files."""
    for name, text in (("", ""), ("a.txt", HIGH), ("b.txt", LOW)):
        if name:
            platform.drop(name, text)
        platform.run()
    assert champion(platform).version == 3
    return platform


class TestRollback:
    """Back to a model or to a version of the data; nothing is lost."""

    def test_a_model_rollback_moves_the_champion_only(self, grown):
        report = grown.run(model=1)
        assert (report.output, report.made) == ([1], "reused")
        assert champion(grown).previous == (3, 2)
        assert len(Ledger(layout.training_table(grown.store)).rows()) == 2

    def test_a_doubled_event_never_undoes_it(self, grown):
        grown.run(model=1)
        assert grown.run() is None
        assert champion(grown).version == 1

    def test_forward_again_and_new_data_after_it(self, grown):
        grown.run(model=1)
        grown.run(model=3)
        assert champion(grown).version == 3
        grown.run(model=2)
        grown.drop("c.txt", "9 9 3 300\n")
        grown.run()
        assert (champion(grown).version, champion(grown).previous) == (4, (2, 3, 1))

    def test_a_data_rollback_reuses_the_model_of_that_data(self, grown):
        report = grown.run(training=1)
        assert (report.output, report.made) == ([2], "reused")
        assert champion(grown).version == 2
        assert grown.run() is None

    def test_the_next_training_builds_on_the_restored_data(self, grown):
        grown.run(training=1)
        grown.drop("c.txt", "9 9 3 300\n")
        grown.run()
        files = Ledger(layout.training_table(grown.store)).files()
        assert list(files) == ["a.txt", "c.txt"]

    def test_an_unknown_version_is_refused(self, grown):
        for asked in ({"model": 9}, {"training": 99}):
            with pytest.raises(UnknownVersionError):
                grown.run(**asked)
        assert champion(grown).version == 3

    def test_a_repeated_rollback_is_one(self, grown):
        first = grown.plan(training=1)
        grown.runs -= 1
        assert grown.plan(training=1).ledger_versions == first.ledger_versions


class KilledError(BaseException):
    """Stands for kill -9."""


class KilledRegistry:
    """Dies after registering, or after moving the alias."""

    def __init__(self, inner, step: str) -> None:
        self.inner, self.step = inner, step

    def __getattr__(self, name: str):
        def call(*args, **kwargs):
            result = getattr(self.inner, name)(*args, **kwargs)
            if name == self.step:
                raise KilledError
            return result

        return call


@pytest.mark.parametrize("step", ["find", "register", "promote"])
def test_a_training_that_dies_is_run_again_to_the_same_end(platform, step):
    platform.run()
    platform.drop("a.txt", HIGH)
    plan = platform.plan()
    with pytest.raises(KilledError):
        platform.train(plan, KilledRegistry(platform.registry, step))
    platform.train(plan)
    assert len(platform.registry.versions) == 2
    assert (champion(platform).version, champion(platform).decided) == (2, 1)
    assert len(promotions(platform.store.path, 10)) == 2


def test_a_failed_training_keeps_the_champion_and_does_not_block_the_next(platform):
    platform.run()
    platform.settings = RatingsSettings(algorithm="SlopeOne", max_rmse_rise="off")
    platform.drop("a.txt", "1 1 3.5 1\n")
    with pytest.raises(BadDataError, match="whole stars"):
        platform.run()
    assert (champion(platform).version, len(platform.registry.versions)) == (1, 1)
    platform.settings = RatingsSettings(algorithm="BaselineOnly", max_rmse_rise="off")
    platform.drop("b.txt", "1 2 3 1\n")
    platform.run()
    assert cards.read_card(platform.store.path, 2).metrics["rows_submitted"] == 2


def test_ingested_but_not_trained_data_are_trained_by_the_next_run(platform):
    platform.run()
    platform.drop("a.txt", HIGH)
    platform.plan()  # and its run died
    assert platform.run().output == [2]


def test_an_old_run_that_did_not_finish_does_not_take_the_champion_back(platform):
    platform.run()
    platform.drop("a.txt", HIGH)
    plan = platform.plan()
    platform.drop("b.txt", LOW)
    platform.train(platform.plan())
    assert "is left: training version 2 has been decided" in platform.train(plan).reason
    assert read_json(layout.champion_file(platform.store.path))["decided"] == 2
    assert champion(platform).version == 2


class TestClearing:
    """A finished run that is cleared in Airflow changes nothing but what is missing."""

    @pytest.fixture
    def clear(self, platform: RatingsPlatform):
        """Return a function that runs both tasks of a finished run again."""

        def clear(number: int, **asked) -> Report:
            run = replace(platform.next_run(**asked), id=f"run-{number}")
            plan = platform.pipeline(run).ingest()
            return platform.train(Plan(**plan))

        return clear

    def test_its_report_and_its_note_stay(self, grown, clear):
        before = grown.report("train", "run-2")
        assert before.output == [2]
        note = grown.notes[1]
        assert clear(2) == before
        assert grown.notes[-1] == note == before.note
        assert champion(grown).version == 3

    def test_it_takes_no_new_files(self, grown, clear):
        grown.drop("c.txt", HIGH)
        clear(2)
        assert grown.run().input == ["c.txt"]

    @pytest.mark.parametrize("asked", [{"model": 1}, {"training": 1}, {"reprocess": True}])
    def test_a_rollback_does_not_fight_what_came_after_it(self, grown, clear, asked):
        grown.run(**asked)
        before = grown.report("train", "run-4")
        grown.drop("c.txt", "9 9 3 300\n")
        grown.run()
        newest, moves = champion(grown), promotions(grown.store.path, 99)
        versions = Ledger(layout.training_table(grown.store)).newest()
        assert clear(4, **asked) == before
        assert (champion(grown), promotions(grown.store.path, 99)) == (newest, moves)
        assert Ledger(layout.training_table(grown.store)).newest() == versions

    @pytest.mark.parametrize("asked", [{"model": 1}, {"training": 1}])
    def test_nor_does_one_that_died_before_its_report(self, grown, clear, asked):
        grown.run(**asked)
        layout.report_file(grown.store.path, "train", "run-4").unlink()
        grown.drop("c.txt", "9 9 3 300\n")
        grown.run()
        newest = champion(grown)
        clear(4, **asked)
        assert champion(grown) == newest

    def test_a_model_that_is_lost_is_made_again(self, grown, clear):
        path = grown.registry.root / cards.read_card(grown.store.path, 2).artefact
        whole = path.read_bytes()
        path.unlink()
        before = grown.report("train", "run-2")
        assert clear(2) == before
        assert path.read_bytes() == whole

    def test_of_a_prediction_only_what_is_missing_is_made_again(self, grown):
        for name in ("p.txt", "q.txt"):
            grown.drop(name, "1 1\n", "streaming")
        before = grown.predict(run="asked")
        files = [layout.prediction_file(grown.store.path, 3, name) for name in before.input]
        content = files[0].read_bytes()
        assert grown.predict(run="asked") == before
        files[0].unlink()
        assert grown.predict(run="asked") == before
        assert files[0].read_bytes() == content
        assert set(grown.notes[-3:]) == {before.note}


def test_a_run_twice_leaves_the_same_bytes(platform):
    def contents() -> dict[Path, bytes]:
        folder = Path(platform.store.path)
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files if path.relative_to(folder).parts[0] != "jobs"}

    platform.drop("a.txt", HIGH)
    plan = platform.plan()
    platform.train(plan)
    first = contents()
    platform.train(plan)
    assert first == contents()


def test_a_run_with_nothing_to_do_skips_and_keeps_its_report(platform):
    platform.run()
    run = platform.next_run()
    with pytest.raises(NothingToDoError, match="nothing to do: training version 0 is the newest"):
        platform.pipeline(run).ingest()
    report = platform.report("train", run.id)
    assert (report.made, report.output) == ("nothing", [])


def test_a_run_tells_what_it_did_and_how_things_are(platform):
    report = platform.run()
    assert platform.notes == [report.note]
    assert platform.metrics["champion_holdout_rmse"] == platform.registry.versions[0].metrics["holdout_rmse"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"reproces": True}, "model, training, reprocess were expected, found 'reproces'"),
        ({"model": 1, "training": 0}, "found model and training"),
        ({"model": 1, "reprocess": True}, "found model and reprocess"),
    ],
)
def test_params_that_cannot_be_meant_are_refused(platform, asked, found):
    platform.run()
    with pytest.raises(BadDataError, match=found):
        platform.run(**asked)


def test_the_code_of_an_algorithm_is_part_of_the_recipe(platform, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    platform.settings = RatingsSettings(algorithm="own_algorithm:Own", max_rmse_rise="off")
    outcomes = []
    for constant in (4.25, 4.25, 2.0):
        (tmp_path / "own_algorithm.py").write_text(
            "from surprise import AlgoBase\n"
            "class Own(AlgoBase):\n"
            f"    def estimate(self, u, i):\n        return {constant}\n"
        )
        importlib.invalidate_caches()
        linecache.clearcache()
        sys.modules.pop("own_algorithm", None)
        report = platform.run(reprocess=True)
        outcomes.append((report.output, report.made))
    assert outcomes == [([1], "computed"), ([1], "reused"), ([2], "computed")]


class TestSelection:
    """The steps of `ratings_model_selection`."""

    def select(self, platform: RatingsPlatform, training: int | None = None) -> Pipeline:
        run = platform.next_run(
            algorithms=["BaselineOnly", "SVD"],
            options={"SVD": {"n_epochs": 3}},
            folds=2,
            seed=0,
            training=training,
            max_fit_seconds=None,
            use=True,
        )
        return platform.pipeline(run)

    def test_the_steps_lead_to_a_record_a_report_and_the_algorithm_in_use(self, platform):
        platform.run()
        run = self.select(platform)
        data, cells = run.pin(), run.plan()
        assert len(cells) == 4
        chosen = run.report([run.evaluate(cell, data) for cell in cells], data)["chosen"]
        record = platform.registry.records[run.run.id]
        assert (record["experiment"], record["tags"]) == ("ratings_selection", {"chosen": chosen})
        assert record["params"] == {**data, "folds": 2, "seed": 0}
        assert set(record["files"]) == {"comparison.csv", "comparison.svg"}
        note = f"2-fold cross-validation, training version 0: {chosen} is best"
        assert platform.notes[-1] == note
        assert read_json(layout.algorithm_file(platform.store.path))["algorithm"] == chosen
        assert read_json(layout.selection_file(platform.store.path, run.run.due.isoformat()))["chosen"] == chosen

    def test_a_cleared_one_does_not_take_the_algorithm_back(self, platform):
        platform.run()
        run = self.select(platform)
        data, cells = run.pin(), run.plan()
        outcomes = [run.evaluate(cell, data) for cell in cells]
        chosen = run.report(outcomes, data)
        later = {"algorithm": "KNNBasic", "options": {}}
        write_json(layout.algorithm_file(platform.store.path), later)
        before = platform.notes[-1]
        assert run.report([], data) == chosen
        assert platform.notes[-1] == before
        assert read_json(layout.algorithm_file(platform.store.path)) == later

    def test_options_that_are_no_object_are_refused(self, platform):
        run = self.select(platform)
        asked = {**run.run.params, "options": {"SVD": 5}}
        with pytest.raises(BadDataError, match="an object of arguments was expected for 'SVD', found 5"):
            platform.pipeline(replace(run.run, params=asked)).plan()

    @pytest.fixture
    def row_counts(self, monkeypatch) -> list[int]:
        """Return how many rows each evaluation gets."""
        found = []

        def evaluate(rows, cell, folds, seed):
            found.append(len(rows))
            return selection.Outcome(cell.algorithm, cell.fold)

        monkeypatch.setattr(selection, "evaluate", evaluate)
        return found

    def test_the_data_are_pinned(self, platform, row_counts):
        platform.drop("a.txt", "new film 3 1\n")
        platform.run()
        data = self.select(platform).pin()
        platform.drop("b.txt", "new film2 3 1\n")
        platform.run()
        assert data["training_version"] == 1
        earlier = self.select(platform, training=0).pin()
        assert earlier == data | {"training_version": 0}
        for pinned in (data, earlier):
            self.select(platform).evaluate({"algorithm": "SVD", "fold": 0}, pinned)
        assert row_counts == [1_501, 1_500]

    def test_an_unknown_version_is_refused(self, platform):
        platform.run()
        with pytest.raises(UnknownVersionError):
            self.select(platform, training=9).pin()


def test_a_training_table_that_lost_its_end_is_not_trained_on(platform):
    platform.run()
    platform.drop("a.txt", "1 1 1 1\n")
    platform.run()
    log = platform.store.path / "training_table" / "_delta_log"
    max(log.glob("*.json")).unlink()
    platform.drop("b.txt", "1 2 1 1\n")
    with pytest.raises(DamagedObjectError, match="ends with version 0, but version 1 has been trained on"):
        platform.run()


@pytest.mark.parametrize("text", ["{}", "[]", "5", '"text"', '{"version": 1}', "{"])
@pytest.mark.parametrize("name", ["champion.json", "models/1.json", "algorithm.json", "base/base.json"])
def test_a_record_of_another_form_is_named(platform, name, text):
    platform.run()
    platform.drop("a.txt", "1 1 1 1\n")
    record = platform.store.path / name
    record.write_text(text)
    with pytest.raises(DamagedObjectError, match=rf"{name} (has another form than was written|is not JSON)"):
        platform.run()


def test_a_run_whose_ingestion_was_killed_after_its_commit_names_its_files(platform):
    platform.drop("a.txt", HIGH)
    run = platform.next_run()
    first = platform.pipeline(run).ingest()
    assert (first["files"], first["counts"]["rows_added"]) == (["a.txt"], 1)
    assert platform.pipeline(run).ingest() == first
