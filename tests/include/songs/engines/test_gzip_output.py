"""Output folders, local and in S3."""

import gzip
import uuid
from collections.abc import Iterator

import pytest
from upath import UPath

from include.core.storage import StoragePath
from include.songs.engines import gzip_output
from include.songs.layout import PART, SUCCESS
from tests.support.songs.jobs import only_member

HEADER = b"a\tb\n"


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path) -> StoragePath:
    """Return an output folder that does not exist yet, beside one whose name begins alike."""
    if request.param == "local":
        root: StoragePath = tmp_path
    else:
        url = request.getfixturevalue("s3_server")
        root = UPath(f"s3://bucket-{uuid.uuid4().hex}", key="id", secret="secret", endpoint_url=url)
        root.mkdir()
    (root / "out2").mkdir(exist_ok=True)
    (root / "out2" / SUCCESS).write_bytes(b"")
    return root / "out"


def test_blocks_become_one_file_in_their_order(folder):
    blocks = [f"{number}\t{'x' * (1000 - number)}\n".encode() for number in range(50)]
    gzip_output.write(folder, HEADER, iter(blocks), 3)
    packed = (folder / PART).read_bytes()
    assert gzip.decompress(packed) == HEADER + b"".join(blocks)
    assert packed.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") == 1
    assert only_member(packed) == HEADER + b"".join(blocks)
    assert (folder / SUCCESS).read_bytes() == b""


def test_views_on_memory_are_blocks(folder):
    gzip_output.write(folder, HEADER, [memoryview(b"--1\t2\n--")[2:-2]], 1)
    assert gzip.decompress((folder / PART).read_bytes()) == HEADER + b"1\t2\n"


def test_no_blocks_are_a_header(folder):
    gzip_output.write(folder, HEADER, [], 1)
    assert gzip.decompress((folder / PART).read_bytes()) == HEADER
    assert (folder / SUCCESS).exists()


def test_what_breaks_off_is_not_complete(folder):
    def blocks() -> Iterator[bytes]:
        yield b"1\t2\n"
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        gzip_output.write(folder, HEADER, blocks(), 2)
    assert not (folder / SUCCESS).exists()


def test_clearing_removes_all_below_and_nothing_else(folder):
    gzip_output.clear(folder)  # nothing there yet
    gzip_output.write(folder, HEADER, [], 1)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / ".x").write_bytes(b"x")
    gzip_output.clear(folder)
    assert not list(folder.parent.glob("out/**/*"))
    assert (folder.parent / "out2" / SUCCESS).exists()


def test_few_blocks_are_held_at_a_time():
    taken = []

    def blocks() -> Iterator[bytes]:
        for number in range(20):
            taken.append(number)
            yield b"x"

    for given, _ in enumerate(gzip_output._compressed(blocks(), 2)):
        assert len(taken) - given <= 3
