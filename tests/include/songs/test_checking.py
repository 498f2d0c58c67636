"""The check of a day's outputs."""

from pathlib import Path

import pytest

from include.core.errors import DamagedObjectError
from include.songs import checking
from include.songs.engines import gzip_output
from include.songs.layout import PART, SUCCESS, counts_folder, dataset_folder
from include.songs.results import IncompleteError
from include.songs.schemas import ANALYSIS, DATASET, header
from tests.support.songs import example
from tests.support.songs.jobs import DAY


def lines(rows: list[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def deliver(
    root: Path,
    dataset: bytes = lines(example.DATASET),
    counts: bytes = lines(example.COUNTS),
    first: bytes = header(DATASET),
) -> None:
    for folder in (dataset_folder(root, DAY), counts_folder(root, DAY)):
        gzip_output.clear(folder)
    gzip_output.write(dataset_folder(root, DAY), first, [dataset], 1)
    gzip_output.write(counts_folder(root, DAY), header(ANALYSIS), [counts], 1)


def test_contents_of_good_outputs(tmp_path):
    deliver(tmp_path)
    found = checking.check(tmp_path, DAY)
    assert (found.rows, found.groups) == (6, 4)
    assert found.bytes == (dataset_folder(tmp_path, DAY) / PART).stat().st_size
    deliver(tmp_path, b"", b"")
    assert checking.check(tmp_path, DAY).rows == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dataset": lines(example.DATASET[:5])}, "counts of 5 plays were expected, found 6"),
        ({"counts": lines(example.COUNTS[:3])}, "counts of 6 plays were expected, found 3"),
        ({"dataset": lines([*example.DATASET[:5], "a\tb"])}, "6 lines of 13 fields were expected, found 61 tabs"),
        ({"dataset": lines(example.DATASET)[:-1]}, "its last line does not end"),
        ({"dataset": lines(example.DATASET).replace(b"Twin", b"\0Twin")}, "a NUL byte"),
        ({"first": b""}, "its header is b'1"),
        ({"first": b"", "dataset": b""}, "its header is b''"),
        ({"counts": b"90210\tFamily\n"}, "does not hold counts"),
    ],
)
def test_wrong_contents(tmp_path, wrong, message):
    deliver(tmp_path, **wrong)
    with pytest.raises(DamagedObjectError, match=message):
        checking.check(tmp_path, DAY)


@pytest.mark.parametrize("cut", [-1, -30, 5, 0])
def test_a_file_that_is_cut(tmp_path, cut):
    deliver(tmp_path)
    path = dataset_folder(tmp_path, DAY) / PART
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DamagedObjectError, match="does not hold a dataset"):
        checking.check(tmp_path, DAY)


def test_two_parts_or_none(tmp_path):
    deliver(tmp_path)
    path = dataset_folder(tmp_path, DAY) / PART
    path.with_name("part-00001.csv.gz").write_bytes(path.read_bytes())
    with pytest.raises(DamagedObjectError, match="was expected, found 2"):
        checking.check(tmp_path, DAY)
    for each in path.parent.glob("part-*"):
        each.unlink()
    with pytest.raises(DamagedObjectError, match="found 0"):
        checking.check(tmp_path, DAY)


@pytest.mark.parametrize("folder_of", [dataset_folder, counts_folder])
def test_outputs_that_are_not_complete(tmp_path, folder_of):
    deliver(tmp_path)
    (folder_of(tmp_path, DAY) / SUCCESS).unlink()
    with pytest.raises(IncompleteError):
        checking.check(tmp_path, DAY)
