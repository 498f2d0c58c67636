"""Files of labeling tasks: an ended task's go, one that can be resumed keeps all. `state` says which is which."""

import time
from pathlib import Path

import pytest

from include.audience import layout, retention
from include.audience.results import state
from include.audience.settings import UnknownSchemaError
from include.core.database.engine import open_engine
from include.core.retention import Removed, Sweeper
from include.core.storage import write_json
from tests.support.labeling import Lab, post

LATER, EARLIER = time.time() + 86_400, time.time() - 86_400
PINNED = ["plan.json", "rules.csv", "source_map.json"]


def clean(lab: Lab, *, authors: float | None = LATER, plans: float | None = LATER, dry_run: bool = False) -> Removed:
    sweeper = Sweeper(lab.root, dry_run)
    return retention.clean_tasks(
        layout.tasks(lab.root),
        sweeper,
        lambda task: retention.has_ended(lab.settings, task),
        authors_before=authors,
        plans_before=plans,
    )


def files(lab: Lab, task_id: str) -> list[str]:
    folder = lab.folder(task_id)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_ended_task_keeps_its_results_and_a_failed_one_keeps_all(lab):
    lab.load(post("1", "lily", "00:30:00"), post("2", "mark", "07:00:00"))
    done = lab.run("1")
    aborted, failed, opened, counted = (lab.pipeline(task_id) for task_id in "2345")
    for steps in (aborted, failed, opened, counted):
        steps.open_task()
    for steps in (aborted, failed, counted):
        steps.label(0)
    counted.close_labeling()
    with open_engine(lab.result_url) as engine:
        state.abort(engine, aborted.task.task_id)
    failed.record_failure()
    kept = {task_id: files(lab, task_id) for task_id in "345"}
    assert "authors/0.npz" in files(lab, "1")

    before = {task_id: files(lab, task_id) for task_id in "12345"}
    assert clean(lab, authors=EARLIER, plans=EARLIER) == Removed()
    assert clean(lab, authors=None, plans=None) == Removed()
    assert clean(lab, dry_run=True).objects > 0
    assert {task_id: files(lab, task_id) for task_id in "12345"} == before

    clean(lab, plans=None)
    assert (files(lab, "1"), files(lab, "2")) == (PINNED, PINNED)  # the coverage report reads them
    clean(lab)
    assert (files(lab, "1"), files(lab, "2")) == ([], [])
    assert {task_id: files(lab, task_id) for task_id in "345"} == kept
    assert clean(lab) == Removed()
    assert lab.outcome("1") == done
    failed.open_task()
    failed.label(0)
    counted.produce()


def test_without_a_plan_the_rest_of_a_task_goes(lab):
    lab.pipeline("1").open_task()
    layout.plan_file(lab.folder()).unlink()
    assert clean(lab).objects == 2
    assert clean(lab) == Removed()


def test_a_task_whose_row_was_removed_is_over(lab):
    lab.pipeline("1").open_task()
    lab.forget()
    assert clean(lab).objects == len(PINNED)


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_odd_names_and_what_cannot_be_told_stay(lab):
    lab.run("1")
    folder = lab.folder()
    put(folder, "notes.txt", "authors/mine.npz")
    # the first is not named by a task id, the second is not a plan
    put(layout.tasks(lab.root), "mine/plan.json", f"{'9' * 32}/plan.json")
    clean(lab)
    assert files(lab, "1") == ["authors/mine.npz", "notes.txt"]
    assert [files(lab, name) for name in ("mine".zfill(4), "9" * 32)] == [[], ["plan.json"]]
    assert (layout.tasks(lab.root) / "mine" / "plan.json").exists()


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_a_task_of_a_schema_that_is_gone_keeps_its_files(lab):
    lab.run("1")
    Path(str(lab.result_url.database)).unlink()
    with pytest.raises(UnknownSchemaError):
        retention.has_ended(lab.settings, lab.task("1"))
    assert clean(lab) == Removed()
    assert [name for name in files(lab, "1") if "/" not in name] == PINNED


def test_old_reports_of_previews(tmp_path):
    folder = layout.previews(tmp_path)
    for preview_id in ("1" * 32, "2" * 32):
        write_json(layout.preview_file(tmp_path, preview_id), {})
    for before in (None, EARLIER):
        assert retention.clean_previews(folder, Sweeper(folder), before) == Removed()
    assert retention.clean_previews(folder, Sweeper(folder), LATER).objects == 2
    assert list(folder.iterdir()) == []
