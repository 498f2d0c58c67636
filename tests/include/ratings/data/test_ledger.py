"""The ledger of submitted ratings."""

import tracemalloc
from pathlib import Path

import pytest

from include.core.errors import DamagedObjectError
from include.core.storage import Store
from include.ratings.data.difference import difference
from include.ratings.data.ledger import Ledger
from include.ratings.data.rows import Rating
from include.ratings.errors import UnknownVersionError

A, B, C = (Rating("1", str(movie), 3.0, 7) for movie in (1, 2, 3))


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store.below("training_table"))


def test_a_new_ledger_is_empty(ledger):
    assert (ledger.head(), ledger.rows(), ledger.files(), ledger.data_versions(0)) == (0, [], {}, [])


def test_rows_come_in_the_order_of_commit_file_and_line(ledger):
    assert ledger.append({"z": [C], "b": [B, A]}, 0, "run-1") == 1
    assert ledger.append({"a": [A]}, 1, "run-2") == 2
    assert ledger.rows() == [B, A, C, A]
    assert ledger.rows(1) == [B, A, C]
    assert ledger.files() == {"a": "run-2", "b": "run-1", "z": "run-1"}


def test_history_tells_what_each_version_did(ledger):
    ledger.append({"a": [A], "b": [B]}, 1, "run-1")
    ledger.restore(0, "run-2", by="ann")
    newest, ingest, create = ledger.history()
    assert (newest.operation, newest.restored_to, newest.by, newest.dag_run_id) == ("restore", 0, "ann", "run-2")
    assert (ingest.operation, ingest.files, ingest.rows_added, ingest.rows_replaced) == ("ingest", ["a", "b"], 2, 1)
    assert (create.version, create.operation) == (0, "create")


def test_a_file_is_taken_once_even_after_a_restore(ledger):
    ledger.append({"a": [A]}, 0, "run-1")
    ledger.restore(0, "run-2", None)
    assert ledger.rows() == []
    assert ledger.not_taken(["a", "b"]) == ["b"]
    assert ledger.append({"a": [A]}, 0, "run-3") is None
    assert ledger.rows() == []


def test_two_runs_at_once_take_a_file_once(ledger):
    other = Ledger(ledger.store)
    other.newest()
    ledger.append({"a": [A]}, 0, "run-1")
    assert other.append({"a": [A], "b": [B]}, 0, "run-2") is None
    assert ledger.rows() == [A]


def test_a_restore_is_a_new_version_and_forward_is_possible(ledger):
    ledger.append({"a": [A]}, 0, "run-1")
    ledger.append({"b": [B]}, 0, "run-2")
    assert ledger.restore(1, "run-3", None) == 3
    assert ledger.rows() == [A]
    assert ledger.restore(2, "run-4", None) == 4
    assert ledger.rows() == [A, B]
    assert ledger.restored_by("run-3") == 3
    assert ledger.restored_by("run-2") is None


@pytest.mark.parametrize("version", [-1, 2, 10**12])
def test_an_unknown_version_is_named(ledger, version):
    ledger.append({"a": [A]}, 0, "run-1")
    for use in (ledger.rows, lambda each: ledger.restore(each, "run", None), lambda each: difference(ledger, 0, each)):
        with pytest.raises(UnknownVersionError, match=f"version 0 to 1 was expected, found {version}"):
            use(version)


def test_compaction_keeps_every_version_and_is_no_new_data(ledger):
    for number in range(12):
        ledger.append({f"f{number:02}": [Rating("1", str(number), 3.0, 0)]}, 0, "run")
    assert ledger.compact()["files_merged"] == 12
    assert (ledger.newest(), ledger.head(), ledger.data_versions(10)) == (13, 12, [11, 12])
    assert len(ledger.rows()) == 12
    assert len(ledger.rows(5)) == 5
    assert ledger.restore(5, "run", None) == 14
    assert len(ledger.rows()) == 5


def test_versions_with_users_stay_readable_when_the_others_go(ledger):
    for number in range(4):
        ledger.append({f"f{number}": [Rating("1", str(number), 3.0, 0)]}, 0, "run")
    ledger.restore(2, "run", None)
    assert ledger.compact(retention_days=0, keep=[3])["files_removed"] >= 1
    assert (len(ledger.rows()), len(ledger.rows(3))) == (2, 3)
    with pytest.raises(DamagedObjectError):
        ledger.rows(4)


def test_a_cleaning_that_removes_nothing_makes_no_version(ledger):
    ledger.append({"a": [A]}, 0, "run")
    ledger.append({"b": [B]}, 0, "run")
    ledger.restore(1, "run", None)
    found = ledger.compact(retention_days=0, dry_run=True)
    assert (found["files_merged"], found["files_removed"], ledger.newest()) == (0, 1, 3)
    assert len(ledger.rows(2)) == 2
    size = found["bytes_removed"]
    assert size > 0
    assert ledger.compact(retention_days=0) == {"files_merged": 0, "files_removed": 1, "bytes_removed": size}
    after = ledger.newest()
    assert ledger.compact(retention_days=0) == {"files_merged": 0, "files_removed": 0, "bytes_removed": 0}
    assert ledger.newest() == after


def test_two_versions_are_compared(ledger):
    ledger.append({"a": [A]}, 0, "run-1")
    ledger.append({"b": [Rating("1", "1", 5.0, 8), B]}, 1, "run-2")
    forward, back = difference(ledger, 1, 2), difference(ledger, 2, 1)
    assert (forward.files_added, forward.rows_added, forward.rows_replaced, forward.rows_removed) == (["b"], 2, 1, 0)
    assert (back.files_removed, back.rows_added, back.rows_removed) == (["b"], 0, 2)


def test_large_versions_are_compared_without_a_python_object_for_each_row(ledger):
    for number in range(4):
        rows = [Rating(str(each), str(number % 2), 3.0, 0) for each in range(20_000)]
        ledger.append({f"f{number}": [*rows, rows[0]]}, 0, "run")
    tracemalloc.start()
    found = difference(ledger, 2, 4)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.files_added, found.rows_added, found.rows_replaced) == (["f2", "f3"], 40_002, 40_000)
    assert peak_bytes < 1_000_000


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_table_file_is_named(ledger, damage):
    ledger.append({"a": [A, B, C] * 50}, 0, "run-1")
    (file,) = ledger.store.path.glob("*.parquet")
    data = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(data[:-20])
    else:
        data[len(data) // 4] ^= 0xFF
        file.write_bytes(data)
    with pytest.raises(DamagedObjectError, match=file.name):
        Ledger(ledger.store).rows()


@pytest.mark.parametrize("damage", ["empty", "cut", "flip"])
@pytest.mark.parametrize("which", [-1, 2])
def test_a_damaged_log_is_named_with_its_mend(ledger, damage, which):
    for number in range(4):
        ledger.append({f"f{number}": [A, B]}, 0, "run")
    file = sorted((ledger.store.path / "_delta_log").glob("*.json"))[which]
    spoil(file, damage)
    with pytest.raises(DamagedObjectError, match=rf"{file.name} is damaged: .*restore it from a backup"):
        Ledger(ledger.store).rows()


def test_a_missing_part_of_the_log_is_named(ledger):
    for number in range(4):
        ledger.append({f"f{number}": [A, B]}, 0, "run")
    file = sorted((ledger.store.path / "_delta_log").glob("*.json"))[2]
    file.unlink()
    with pytest.raises(DamagedObjectError, match=rf"{file.name} is damaged: it is missing"):
        Ledger(ledger.store).rows()


@pytest.mark.parametrize("damage", ["empty", "cut", "flip"])
def test_a_damaged_checkpoint_is_named_and_can_be_removed(ledger, damage):
    for number in range(4):
        ledger.append({f"f{number}": [A, B]}, 0, "run")
    ledger.compact()
    (file,) = (ledger.store.path / "_delta_log").glob("*.parquet")
    spoil(file, damage)
    with pytest.raises(DamagedObjectError, match=rf"{file.name} is damaged: .*remove it and _last_checkpoint"):
        Ledger(ledger.store).rows()
    file.unlink()
    (file.parent / "_last_checkpoint").unlink()
    assert len(Ledger(ledger.store).rows()) == 8


def spoil(file: Path, damage: str) -> None:
    data = bytearray(file.read_bytes())
    if damage == "empty":
        data.clear()
    elif damage == "cut":
        del data[len(data) // 2 :]
    else:
        middle = slice(len(data) // 2, len(data) // 2 + 20)
        data[middle] = bytes(each ^ 0xFF for each in data[middle])
    file.write_bytes(data)


def test_whichever_byte_of_a_table_file_is_flipped_it_is_never_other_data(ledger):
    ledger.append({"a": [A, B, C] * 5}, 0, "run-1")
    (file,) = ledger.store.path.glob("*.parquet")
    data, rows, named = file.read_bytes(), ledger.rows(), set()
    for position in range(0, len(data), 11):
        flipped = bytearray(data)
        flipped[position] ^= 0xFF
        file.write_bytes(flipped)
        try:
            read = Ledger(ledger.store).rows()
        except DamagedObjectError as error:
            named.add(str(file) in str(error))
        else:
            assert read == rows
    assert named == {True}


class PanicException(BaseException):
    """Of a library in Rust."""


def test_a_panic_of_delta_is_bad_data(ledger, monkeypatch):
    def panic(*_, **__):
        raise PanicException("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr("include.ratings.data.ledger.DeltaTable", panic)
    with pytest.raises(DamagedObjectError, match="Delta cannot handle the table"):
        Ledger(ledger.store)


def test_a_panic_of_a_commit_is_bad_data(ledger, monkeypatch):
    def panic(*_, **__):
        raise PanicException("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr("include.ratings.data.ledger.write_deltalake", panic)
    with pytest.raises(DamagedObjectError, match="Delta cannot handle the table"):
        ledger.append({"a": [A]}, 0, "run")
