"""Retention of ratings, with an in-memory registry that can be made to fail."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from include.core.registry import ModelVersion, RegisteredVersion
from include.core.retention import Removed, Sweeper
from include.core.storage import StoragePath
from include.ratings import report, retention
from include.ratings.models import cards, champion

AT = "2027-01-15T08:00:00+00:00"
LATER, EARLIER = time.time() + 86_400, time.time() - 86_400


class KilledError(Exception):
    """Stands in for a kill."""


@dataclass
class RegistryInMemory:
    """A registry with versions and runs; the step named in `dies_at` kills."""

    root: Path
    registered: dict[int, RegisteredVersion] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    dies_at: str | None = None
    gone_back_to: int | None = None

    def add(self, version: int, *aliases: str) -> None:
        run_id = f"run{version}"
        self.registered[version] = RegisteredVersion(run_id, aliases)
        self.runs.add(run_id)
        self.folder(run_id).mkdir(parents=True)
        (self.folder(run_id) / "model.pickle").write_bytes(b"model")
        tags = {"training_version": str(version), "sha256": "0"}
        cards.write_card(self.root / "ratings", ModelVersion(version, AT, run_id, "artefact", tags, {}))

    def versions(self) -> dict[int, RegisteredVersion]:
        return dict(self.registered)

    def find(self, version: int) -> RegisteredVersion | None:
        if version == self.gone_back_to:
            promote(self.root / "ratings", version)
        self._die("find")
        return self.registered.get(version)

    def abandoned_runs(self) -> list[str]:
        return sorted(self.runs - {each.run_id for each in self.registered.values()})

    def folder(self, run_id: str) -> Path:
        return self.root / "mlflow" / "ratings" / run_id

    def delete_version(self, version: int) -> None:
        self._die("delete_version")
        del self.registered[version]

    def delete_run(self, run_id: str) -> None:
        self._die("delete_run")
        self.runs.discard(run_id)

    def _die(self, step: str) -> None:
        if self.dies_at == step:
            raise KilledError(step)

    def remove(self, keep: int, *, dry_run: bool = False) -> dict[str, int]:
        return retention.remove_models(self.root / "ratings", self, Sweeper(self.root, dry_run), keep)

    def cards(self) -> list[int]:
        return sorted(cards.versions(self.root / "ratings"))

    def files(self) -> list[str]:
        return sorted(path.parent.name for path in (self.root / "mlflow").rglob("*.pickle"))


def promote(root: StoragePath, version: int) -> None:
    champion.promote(root, version, AT, by="a", reason="b", run="c")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "ratings"


@pytest.fixture
def registry(tmp_path: Path) -> RegistryInMemory:
    """Return six models: 4 is the champion, 3 was before, 1 has an answer, 2 an alias."""
    registry = RegistryInMemory(tmp_path)
    for version in range(1, 7):
        registry.add(version, *(["mine"] if version == 2 else []))
    for version in (3, 4):
        promote(tmp_path / "ratings", version)
    answer(tmp_path / "ratings", 1, "a.txt")
    return registry


def answer(root: Path, version: int, name: str) -> None:
    for path in (root / "predict" / str(version) / name, root / "predict_made" / str(version) / f"{name}.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("12345")


def listed(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_the_champion_those_before_it_and_all_that_is_referred_to_stay(registry, root):
    assert retention.superseded(root, registry.versions(), keep=1) == [5]  # 6 is the newest, 3 the champion before
    promote(root, 6)
    assert retention.superseded(root, registry.versions(), keep=1) == [3, 5]
    assert retention.superseded(root, registry.versions(), keep=2) == []  # 6 and 5 are the newest, 4 and 3 were before


def test_without_a_champion_or_a_number_nothing_goes(registry, root):
    assert retention.superseded(root, registry.versions(), keep=0) == []
    (root / "champion.json").unlink()
    assert retention.superseded(root, registry.versions(), keep=1) == []


def test_card_entry_files_and_run_go_together_and_once(registry):
    card = len((registry.root / "ratings/models/5.json").read_bytes())
    assert registry.remove(1) == {"models": 1, "runs": 0, "objects": 2, "bytes": 5 + card}
    assert (registry.cards(), sorted(registry.registered)) == ([1, 2, 3, 4, 6], [1, 2, 3, 4, 6])
    assert registry.files() == ["run1", "run2", "run3", "run4", "run6"]
    assert "run5" not in registry.runs
    assert registry.remove(1) == {"models": 0, "runs": 0, "objects": 0, "bytes": 0}


def test_a_dry_run_removes_nothing(registry):
    before = listed(registry.root)
    assert registry.remove(1, dry_run=True)["models"] == 1
    assert (listed(registry.root), sorted(registry.registered)) == (before, [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize("step", ["find", "delete_version", "delete_run"])
def test_what_a_kill_leaves_is_removed_the_next_time_and_the_model_is_never_half_there(registry, step):
    registry.dies_at = step
    with pytest.raises(KilledError):
        registry.remove(1)
    assert 5 not in registry.cards()  # nobody can go back to it from now on
    assert ("run5" in registry.files()) == (5 in registry.registered)  # what training may take up again has its file
    registry.dies_at = None
    registry.remove(1)
    assert (registry.cards(), sorted(registry.registered)) == ([1, 2, 3, 4, 6], [1, 2, 3, 4, 6])
    assert registry.files() == ["run1", "run2", "run3", "run4", "run6"]
    assert registry.runs == {"run1", "run2", "run3", "run4", "run6"}


def test_a_model_that_somebody_goes_back_to_meanwhile_stays_whole(registry, root):
    registry.gone_back_to = 5
    assert registry.remove(1)["models"] == 0
    assert cards.read_card(root, 5).run_id == "run5"
    assert (5 in registry.registered, "run5" in registry.files()) == (True, True)


def test_the_files_of_trainings_that_were_killed_go(registry):
    registry.runs.add("killed")
    registry.folder("killed").mkdir()
    (registry.folder("killed") / "half").write_bytes(b"123")
    assert registry.remove(6) == {"models": 0, "runs": 1, "objects": 1, "bytes": 3}
    assert "killed" not in registry.runs


def test_answers_go_when_the_champion_has_given_them_too(registry, root):
    for version, name in [(3, "a.txt"), (3, "b.txt"), (4, "a.txt"), (1, "c.txt"), (3, "_failed.json")]:
        answer(root, version, name)
    (root / "predict_made/3/_failed.json.json").unlink()
    (root / "predict/3/notes").mkdir()
    before = [name for name in listed(root) if name.startswith("predict")]
    assert retention.clean_predictions(root, Sweeper(root), EARLIER) == Removed()
    assert retention.clean_predictions(root, Sweeper(root, dry_run=True), LATER) == Removed(5, 25)
    assert [name for name in listed(root) if name.startswith("predict")] == before
    assert retention.clean_predictions(root, Sweeper(root), LATER) == Removed(5, 25)
    assert [name for name in listed(root) if name.startswith("predict")] == [
        *("predict/1/c.txt", "predict/3/b.txt", "predict/4/a.txt"),
        *("predict_made/1/c.txt.json", "predict_made/3/b.txt.json", "predict_made/4/a.txt.json"),
    ]
    assert retention.clean_predictions(root, Sweeper(root), LATER) == Removed()


def test_without_a_champion_all_answers_stay(root):
    answer(root, 1, "a.txt")
    assert retention.clean_predictions(root, Sweeper(root), LATER) == Removed()


def test_the_newest_reports_stay_however_old_they_are(root, monkeypatch):
    monkeypatch.setattr(retention, "REPORTS_SHOWN", 2)
    for number in range(4):
        report.write(root, report.Report("train", f"run-{number}", [], [], "nothing", ""))
        time.sleep(0.01)  # the store tells their order
    (root / "jobs/train/notes.txt").write_text("mine")
    assert retention.clean_reports(root, Sweeper(root), EARLIER) == Removed()
    assert retention.clean_reports(root, Sweeper(root), LATER).objects == 2
    assert listed(root / "jobs") == ["train/notes.txt", "train/run-2.json", "train/run-3.json"]
