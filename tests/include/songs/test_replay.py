"""Replay of a day: the same comes out; after any tampering it does not."""

import gzip
import json
import random
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from include.core.replay import Replay, Verdict
from include.core.storage import read_json
from include.songs import layout
from include.songs import replay as module
from include.songs.replay import replay
from tests.support.songs.made_day import DAY, make_day

NOW = datetime(2019, 2, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("made") / "songs"
    make_day(root)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "songs"))


def again(root: Path) -> Replay:
    return replay(root, DAY, NOW, 500)


def part(root: Path, kind: str) -> Path:
    folder = layout.dataset_folder(root, DAY) if kind == "dataset" else layout.counts_folder(root, DAY)
    [found] = Path(folder).glob("part-*.csv.gz")
    return found


def change_report(root: Path, **values: Any) -> None:
    path = Path(layout.report_file(root, DAY))
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_day_comes_out_again_and_the_verdict_is_kept(root):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert again(root).verdict == Verdict.GOOD
    assert read_json(layout.replay_file(root, DAY))["verdict"] == "GOOD"
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("kind", ["dataset", "counts"])
@pytest.mark.parametrize("seed", range(10))
def test_a_changed_byte_of_a_row_is_the_first_difference(root, kind, seed):
    path, draw = part(root, kind), random.Random(seed)
    lines = gzip.decompress(path.read_bytes()).split(b"\n")[:-1]
    row = draw.randrange(len(lines))
    byte = draw.randrange(len(lines[row]))
    changed = bytearray(lines[row])
    changed[byte] = ord("#")
    path.write_bytes(gzip.compress(b"\n".join([*lines[:row], bytes(changed), *lines[row + 1 :], b""])))
    found = again(root)
    assert found.verdict == Verdict.BAD
    assert found.difference is not None
    assert (found.difference.output, found.difference.byte) == (kind, byte)
    assert (found.difference.kept, found.difference.made) == (
        bytes(changed).decode(errors="backslashreplace") + "\n",
        lines[row].decode() + "\n",
    )


@pytest.mark.parametrize("kind", ["dataset", "counts"])
@pytest.mark.parametrize("seed", range(10))
def test_a_changed_byte_of_a_file_is_never_good(root, kind, seed):
    path, draw = part(root, kind), random.Random(seed)
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    assert again(root).verdict == Verdict.BAD


@pytest.mark.parametrize(
    "change", [lambda lines: lines[:-1], lambda lines: [*lines, lines[-1]], lambda lines: lines[1:]]
)
def test_a_row_too_many_or_too_few_is_bad(root, change):
    path = part(root, "dataset")
    path.write_bytes(gzip.compress(b"".join(change(gzip.decompress(path.read_bytes()).splitlines(keepends=True)))))
    found = again(root)
    assert found.verdict == Verdict.BAD
    assert found.difference is not None
    assert None in (found.difference.kept, found.difference.made)


@pytest.mark.parametrize("source", ["spins", "listeners"])
def test_without_its_inputs_nothing_is_known(root, source):
    if source == "spins":
        path = Path(layout.spins_file(root, DAY))
        path.write_bytes(path.read_bytes().replace(b"Glass", b"Grass"))
    else:
        Path(layout.listeners_file(root)).unlink()
        shutil.rmtree(root / ".incoming")
    found = again(root)
    assert found.verdict == Verdict.UNKNOWN
    assert source in found.reason


@pytest.mark.parametrize(
    "values",
    [
        {"minrows": 2},
        {"run_id": "manual__2"},
        {"rows": 7},
        {"code": "0.1.0+000000000000"},
        {"outputs": {}},
        {"metrics": {"minrows": 1, "report_timezone": "UTC"}},
    ],
)
def test_a_changed_report_is_never_good(root, values):
    change_report(root, **values)
    assert again(root).verdict == Verdict.BAD


def test_other_code_cannot_tell(root, monkeypatch):
    monkeypatch.setattr(module, "code_version", lambda: "0.2.0+ffffffffffff")
    assert again(root).verdict == Verdict.UNKNOWN


def test_a_day_without_outputs_or_report_is_unknown(root):
    assert replay(root, date(2019, 2, 9), NOW, 500).verdict == Verdict.UNKNOWN
    Path(layout.report_file(root, DAY)).unlink()
    assert again(root).verdict == Verdict.UNKNOWN
