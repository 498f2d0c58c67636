"""Remote files in the local file system. S3 is in tests/plugins/test_songs_on_s3.py."""

import errno
import os
from pathlib import Path

import pytest

from include.core.remote import MissingError, RefusedError, UnreachableError, stored
from include.core.remote.stored import BLOCK_BYTES, StoredFile
from tests.support.remote import both, read


def test_a_local_file(tmp_path):
    source = StoredFile(tmp_path / "below" / "a")
    missing = f"{tmp_path}/below/a: not there"
    assert [(type(found), str(found)) for found in both(source)] == [(MissingError, missing)] * 2
    (tmp_path / "below").mkdir()
    assert [(type(found), str(found)) for found in both(source)] == [(MissingError, missing)] * 2
    (tmp_path / "below" / "a").write_bytes(b"12345")
    found = source.look()
    assert found.size == 5
    assert read(source) == b"12345"


def test_a_local_name_below_a_file_is_missing(tmp_path):
    (tmp_path / "a").touch()
    assert [type(found) for found in both(StoredFile(tmp_path / "a" / "b"))] == [MissingError] * 2


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ESTALE, UnreachableError),
        (errno.EIO, UnreachableError),
        (errno.ETIMEDOUT, UnreachableError),
        (errno.EACCES, RefusedError),
    ],
)
def test_errors_of_a_file_system_are_classified(tmp_path, monkeypatch, number, kind):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(stored, "find_object", fail)
    monkeypatch.setattr(Path, "open", fail)
    assert [type(found) for found in both(StoredFile(tmp_path / "a"))] == [kind] * 2


def test_a_local_file_that_is_replaced_while_it_is_read_is_not_mixed(tmp_path):
    old, new = bytes(BLOCK_BYTES + 1), b"1" * (BLOCK_BYTES + 1)
    (tmp_path / "a").write_bytes(old)
    with StoredFile(tmp_path / "a").open() as body:
        parts = [next(body.blocks)]
        (tmp_path / "b").write_bytes(new)
        (tmp_path / "b").replace(tmp_path / "a")
        assert b"".join([*parts, *body.blocks]) == old


def test_an_unexpected_error_is_left_as_it_is(tmp_path, monkeypatch):
    def fail(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stored, "find_object", fail)
    with pytest.raises(ZeroDivisionError):
        StoredFile(tmp_path / "a").look()


def test_content_comes_in_blocks_of_a_mebibyte_at_least(tmp_path):
    assert BLOCK_BYTES >= 1 << 20
    (tmp_path / "a").write_bytes(bytes(BLOCK_BYTES * 2 + 5))
    with StoredFile(tmp_path / "a").open() as body:
        assert [len(block) for block in body.blocks] == [BLOCK_BYTES, BLOCK_BYTES, 5]


def test_a_file_without_a_newline_settles(tmp_path):
    (tmp_path / "half").write_bytes(b"1")
    source = StoredFile(tmp_path / "half")
    found = source.look()
    assert [source.is_settled(found, found.changed + 1, seconds) for seconds in (60, 1, 0)] == [False, True, True]
