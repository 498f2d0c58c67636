"""Files that are appended to or replaced after they were taken: the new content is refused, and so told."""

import pytest

from include.ratings import layout, provenance
from include.ratings.data import landing
from include.ratings.data.changed import REASON
from include.ratings.data.ledger import Ledger
from include.ratings.predictions import files
from tests.support.ratings import RatingsPlatform

ROW = "244 346 2 880606923\n"


def reasons(platform: RatingsPlatform, repo: layout.Repo = "training") -> dict[str, str]:
    return {name: each["reason"] for name, each in landing.refusals(platform.store.path, repo).items()}


@pytest.fixture
def taken(platform: RatingsPlatform) -> RatingsPlatform:
    platform.drop("mine.txt", ROW)
    platform.drop("other.txt", "1 1 3 1\n")
    platform.run()
    return platform


@pytest.mark.parametrize(
    "text", [f"{ROW}244 347 5 880606924\n", "244 347 5 880606924\n", "rubbish\n", "244 346 2 880606924\n"]
)
def test_new_content_under_a_taken_name_is_refused_once(taken, text):
    taken.drop("mine.txt", text)
    assert taken.run() is None
    report = taken.report("train", f"run-{taken.runs}")
    assert (report.made, report.counts["files_refused"]) == ("nothing", 1)
    assert report.note == "nothing to do: training version 1 is the newest: 1 files refused"
    assert reasons(taken) == {"mine.txt": REASON}
    assert taken.plan().counts["files_refused"] == 0
    assert Ledger(layout.training_table(taken.store)).size() == 2


def test_every_further_change_is_told(taken):
    for number in range(3):
        taken.drop("mine.txt", ROW * (number + 2))
        assert taken.plan().counts["files_refused"] == 1


def test_the_same_content_again_is_no_change(taken):
    taken.drop("mine.txt", ROW)
    assert taken.plan().counts["files_refused"] == 0
    taken.drop("mine.txt", ROW * 2)
    taken.plan()
    taken.drop("mine.txt", ROW)
    taken.plan()
    assert reasons(taken) == {}


def test_a_change_beside_a_new_file_is_told(taken):
    taken.drop("mine.txt", ROW * 2)
    taken.drop("new.txt", "1 2 3 1\n")
    report = taken.run()
    assert report.input == ["new.txt"]
    assert report.counts["files_refused"] == 1


def test_a_change_after_a_rollback_of_the_data_is_told(taken):
    taken.run(training=0)
    taken.drop("mine.txt", ROW * 2)
    assert taken.plan().counts["files_refused"] == 1


def test_only_changed_files_are_read(taken, monkeypatch):
    taken.drop("new.txt", "1 2 3 1\n")
    taken.plan()
    taken.plan()
    read = []
    monkeypatch.setattr("include.ratings.data.changed.read_bytes", lambda path: read.append(path.name) or b"")
    taken.plan()
    assert read == ["new.txt"]


def test_what_an_earlier_release_has_taken_is_left_alone(platform):
    platform.drop("old.txt", ROW)
    ledger = Ledger(layout.training_table(platform.store))
    ledger.append({"old.txt": []}, 0, "run-0")
    assert platform.plan().counts == {"files": 0, "rows_added": 0, "rows_replaced": 0, "files_refused": 0}


class TestPairs:
    """The same for pairs to predict."""

    @pytest.fixture
    def predicted(self, platform: RatingsPlatform) -> RatingsPlatform:
        platform.run()
        platform.drop("p.txt", "1 1\n2 2\n", "streaming")
        platform.predict()
        return platform

    def test_new_content_is_refused_and_the_answer_stays(self, predicted):
        before = files.newest(predicted.store.path, "p.txt", [1])
        predicted.drop("p.txt", "7 1\n", "streaming")
        report = predicted.predict()
        assert (report.made, report.counts) == ("nothing", {"files_refused": 1})
        assert reasons(predicted, "streaming") == {"p.txt": REASON}
        predicted.drop("a.txt", "1 1 1 1\n")
        predicted.run()
        predicted.predict()
        assert files.newest(predicted.store.path, "p.txt", [2, 1]) == before

    def test_it_is_refused_too_when_a_new_champion_predicts(self, predicted):
        predicted.drop("p.txt", "7 1\n", "streaming")
        predicted.drop("q.txt", "7 1\n", "streaming")
        predicted.drop("a.txt", "1 1 1 1\n")
        predicted.run()
        assert predicted.predict().counts == {"files_computed": 1, "files_refused": 1}

    @pytest.mark.parametrize(
        ("text", "state"), [("7 1\n", "changed"), ("", "changed"), (None, "removed"), ("1 1\n2 2\n", "unchanged")]
    )
    def test_why_tells_the_pairs_that_were_predicted(self, predicted, text, state):
        path = predicted.store.path / "streaming" / "p.txt"
        path.unlink() if text is None else path.write_text(text)
        ledger = Ledger(layout.training_table(predicted.store))
        for line in (1, 2):
            found = provenance.why(predicted.store.path, ledger, "p.txt", 1, line)
            assert (found["line"]["user"], found["line"]["movie"]) == (str(line), str(line))
            assert found["streaming"]["now"] == state
