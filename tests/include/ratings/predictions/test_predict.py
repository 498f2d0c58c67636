"""Predicting: one answer for each file and model version."""

import pytest

from include.core.errors import DamagedObjectError
from include.core.storage import list_objects, read_json
from include.ratings import layout, provenance
from include.ratings.data import landing
from include.ratings.data.ledger import Ledger
from include.ratings.errors import UnknownPredictionError
from include.ratings.models import cards
from include.ratings.models.champion import Champion, read_champion
from include.ratings.predictions import files, predict
from tests.support.ratings import NOW, RatingsPlatform


def text(platform: RatingsPlatform, name: str, version: int) -> str:
    return (platform.store.path / "predict" / str(version) / name).read_text()


@pytest.fixture
def asked(platform: RatingsPlatform) -> RatingsPlatform:
    platform.run()
    platform.drop("p.txt", "1 1\n1 1\nnobody 1\n1 nothing\nnobody nothing\n", "streaming")
    return platform


def test_without_a_champion_files_wait(platform):
    platform.drop("p.txt", "1 1\n", "streaming")
    report = platform.predict()
    assert (report.made, report.note) == ("nothing", "no champion yet: 1 files waiting")


def test_lines_come_in_order_with_duplicates_and_unknown_ids(asked):
    assert asked.predict().counts == {"files_computed": 1}
    lines = text(asked, "p.txt", 1).split("\n")
    assert [line.split(" ")[:2] for line in lines[:-1]] == [
        ["1", "1"], ["1", "1"], ["nobody", "1"], ["1", "nothing"], ["nobody", "nothing"],
    ]  # fmt: skip
    assert lines[0] == lines[1]
    assert lines[-1] == ""
    mean = cards.read_card(asked.store.path, 1).metrics["global_mean"]
    assert lines[4] == f"nobody nothing {mean!r}"


class Constant:
    """Estimates beyond the scale, as an integer, as Surprise does when it clips."""

    def __init__(self, est):
        self.est = est

    def predict(self, user, movie):
        return self


@pytest.mark.parametrize(
    ("est", "shown"), [(5, "5.0"), (1, "1.0"), (5.2, "5.0"), (0.1, "1.0"), (0.1 + 3.2, "3.3000000000000003")]
)
def test_ratings_are_the_shortest_text_of_a_float_within_the_scale(est, shown):
    assert list(predict.lines(Constant(est), [("u", "m")])) == [f"u m {shown}\n"]


def test_an_answered_file_is_not_answered_again(asked):
    asked.predict()
    assert asked.predict().made == "nothing"


def test_a_new_model_answers_all_files_again_and_the_old_answers_stay(asked):
    asked.predict()
    before = text(asked, "p.txt", 1)
    asked.drop("a.txt", "1 1 1 1\n1 2 1 1\n")
    asked.run()
    assert asked.predict().counts == {"files_computed": 1}
    assert text(asked, "p.txt", 2) != before == text(asked, "p.txt", 1)
    assert files.newest(asked.store.path, "p.txt", [2, 1])[0] == 2


def test_after_a_model_rollback_the_answers_are_those_of_that_model(asked):
    asked.predict()
    asked.drop("a.txt", "1 1 1 1\n")
    asked.run()
    asked.predict()
    before = text(asked, "p.txt", 1)
    asked.run(model=1)
    assert asked.predict().made == "nothing"
    champion = read_champion(asked.store.path)
    found = files.newest(asked.store.path, "p.txt", [champion.version, *champion.previous])
    assert found == (1, before)


def test_files_without_any_answer_come_first(asked):
    asked.predict()
    asked.drop("a.txt", "1 1 1 1\n")
    asked.run()
    asked.drop("z.txt", "2 2\n", "streaming")
    work = predict.pending(asked.store.path, Champion(2, "", (1,)), NOW)
    assert ([each.name for each in work.first], [each.name for each in work.outdated]) == (["z.txt"], ["p.txt"])


@pytest.fixture
def listed(monkeypatch) -> list[str]:
    """Return the names of the folders that are listed from now on."""
    found: list[str] = []

    def count(folder):
        found.append(folder.name)
        return list_objects(folder)

    for module in (predict, files, landing):
        monkeypatch.setattr(module, "list_objects", count)
    return found


def test_former_champions_are_listed_only_as_far_as_needed(asked, listed):
    since = "2026-11-29T04:00:00+00:00"
    champion = Champion(60, since, tuple(range(59, 9, -1)))
    root = asked.store.path
    for name in ("a.txt", "predict-2026-11-29T03:00:00.000000.txt"):
        asked.drop(name, "1 1\n", "streaming")
        (root / "predict" / "59").mkdir(parents=True, exist_ok=True)
        (root / "predict" / "59" / name).write_text("1 1 3.0\n")
    (root / "streaming" / "p.txt").unlink()
    asked.drop("predict-2026-11-29T05:00:00.000000.txt", "1 1\n", "streaming")
    work = predict.pending(root, champion, NOW)
    assert [each.name for each in work.first] == ["predict-2026-11-29T05:00:00.000000.txt"]
    assert len(work.outdated) == 2
    assert sorted(listed) == ["59", "60", "refused_streaming", "streaming"]


def answered_before_a_new_champion(asked) -> None:
    """Drop three files of pairs, answer them, and have another model promoted."""
    for number in range(3):
        asked.drop(f"q{number}.txt", "1 1\n", "streaming")
    asked.predict()
    asked.drop("a.txt", "1 1 1 1\n")
    asked.run()


def test_a_look_for_new_files_lists_no_predictions(asked, listed):
    answered_before_a_new_champion(asked)
    ticks = iter(range(1000))
    listed.clear()
    assert asked.predict(lambda: NOW + next(ticks)).counts == {"files_computed": 4}
    assert listed.count("streaming") > 4
    assert (listed.count("1"), listed.count("2")) == (1, 2)  # 2 for the metrics, too


def test_a_refusal_is_read_once(asked, monkeypatch):
    for number in range(3):
        asked.drop(f"bad{number}.txt", "rubbish\n", "streaming")
    asked.predict()
    landing._cache.clear()
    read: list[str] = []

    def count(path):
        read.append(path.name)
        return read_json(path)

    monkeypatch.setattr(landing, "read_json", count)
    for _ in range(3):
        assert list(landing.landed(asked.store.path, "streaming")) == ["p.txt"]
    assert sorted(read) == [f"bad{number}.txt.json" for number in range(3)]
    asked.drop("bad1.txt", "1 1\n", "streaming")
    assert list(landing.landed(asked.store.path, "streaming")) == ["bad1.txt", "p.txt"]


def test_old_answers_give_way_to_a_new_file(asked):
    answered_before_a_new_champion(asked)
    ticks = iter(range(1000))

    def clock() -> float:
        tick = next(ticks)
        if tick == 4:
            asked.drop("z.txt", "2 2\n", "streaming")
        return NOW + tick

    assert asked.predict(clock).counts["files_left"] > 0
    assert "z.txt" not in files.predicted_by(asked.store.path, 2)
    assert asked.predict().counts["files_computed"] > 1
    assert len(files.predicted_by(asked.store.path, 2)) == 5


def test_a_damaged_file_fails_for_itself(asked):
    asked.drop("bad.txt", "1 1\nrubbish\n", "streaming")
    assert asked.predict().counts == {"files_computed": 1, "files_refused": 1}
    assert landing.refusal(asked.store.path, "streaming", "bad.txt")["reason"].startswith("line 2: 2 fields")
    assert asked.predict().made == "nothing"
    asked.drop("bad.txt", "1 1\n", "streaming")
    assert asked.predict().counts == {"files_computed": 1}
    assert landing.refusal(asked.store.path, "streaming", "bad.txt") is None


def test_two_runs_at_once_make_one_object(asked):
    work = predict.pending(asked.store.path, Champion(1, ""), NOW)
    model = Constant(3.0)
    model.trainset = type("Trainset", (), {"_raw2inner_id_users": {}, "_raw2inner_id_items": {}})
    made = [predict.predict_file(asked.store.path, work.first[0], model, 1, run=run, at="now") for run in ("a", "b")]
    assert made == ["computed", "reused"]
    assert files.read_record(asked.store.path, "p.txt", 1)["dag_run_id"] == "a"


def test_a_damaged_model_tells_those_who_wait_and_recovers(asked):
    path = asked.registry.root / cards.read_card(asked.store.path, 1).artefact
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    with pytest.raises(DamagedObjectError, match=r"1\.pickle is damaged"):
        asked.predict()
    assert "1.pickle is damaged" in files.failure(asked.store.path, 1)
    path.write_bytes(good)
    asked.predict()
    assert files.failure(asked.store.path, 1) is None


class TestWhy:
    """The way back from a line to everything that made it."""

    @pytest.fixture
    def traced(self, asked: RatingsPlatform) -> RatingsPlatform:
        asked.drop("a.txt", "1 1 1 1\n")
        asked.run()
        asked.predict(run="run-p")
        return asked

    def why(self, platform: RatingsPlatform, line: int | None = None, version: int = 2):
        return provenance.why(
            platform.store.path, Ledger(layout.training_table(platform.store)), "p.txt", version, line
        )

    def test_one_call_leads_to_data_model_metrics_and_runs(self, traced):
        found = self.why(traced)
        assert found["training"] == {"version": 1, "files": ["a.txt"]}
        assert found["dag_runs"] == {"ingest": ["run-2"], "training": "run-2", "prediction": "run-p"}
        assert found["model"]["metrics"]["rows_submitted"] == 1
        assert found["model"]["tags"]["quartet"].startswith("0.1.0+")
        assert found["unknown"] == {"users": ["nobody"], "movies": ["nothing"]}

    def test_a_line_says_whether_user_and_movie_were_known(self, traced):
        line = self.why(traced, line=4)["line"]
        assert (line["user"], line["user_known"], line["movie"], line["movie_known"]) == ("1", True, "nothing", False)

    @pytest.mark.parametrize(("line", "version"), [(0, 2), (6, 2), (None, 1), (None, 9)])
    def test_what_does_not_exist_is_named(self, traced, line, version):
        with pytest.raises(UnknownPredictionError):
            self.why(traced, line, version)

    def test_models_know_the_data_they_were_trained_on(self, traced):
        assert provenance.models_trained_on(traced.store.path, 1) == [2]
