"""Landed files with bad names, or that cannot be read: each costs only itself."""

import errno
import os
from pathlib import Path

import pytest

from include.core import storage
from include.core.errors import TransientError
from include.ratings import layout
from include.ratings.data import landing
from include.ratings.predictions import files
from tests.support.ratings import RatingsPlatform

GOOD = {"training": "244 346 2 880606923\n", "streaming": "1 1\n"}
FOREIGN = os.fsdecode(b"caf\xe9.txt")
LONG = ["评" * 83 + ".txt", "n" * 253, "😀" * 55 + ".txt", "n" * 255]


def run(platform: RatingsPlatform, repo: layout.Repo) -> tuple[list[str], dict[str, int]]:
    """Run the workflow on *repo*; return the files that it has taken, and its counts."""
    if repo == "training":
        plan = platform.plan()
        return plan.files, plan.counts
    counts = platform.predict().counts
    return files.predicted_by(platform.store.path, 1), counts


def taken(platform: RatingsPlatform, repo: layout.Repo) -> list[str]:
    return run(platform, repo)[0]


def reasons(platform: RatingsPlatform, repo: layout.Repo) -> dict[str, str]:
    return {name: each["reason"] for name, each in landing.refusals(platform.store.path, repo).items()}


@pytest.fixture(params=["training", "streaming"])
def repo(request, platform) -> layout.Repo:
    platform.run()
    return request.param


@pytest.mark.parametrize("text", ["good", "rubbish\n"])
def test_a_name_that_is_not_utf_8_is_refused_by_its_printable_name(platform, repo, text):
    platform.drop(FOREIGN, GOOD[repo] if text == "good" else text, repo)
    platform.drop("z.txt", GOOD[repo], repo)
    assert taken(platform, repo) == ["z.txt"]
    refused = reasons(platform, repo)
    assert list(refused) == [r"caf\udce9.txt"]
    assert refused[r"caf\udce9.txt"].startswith("file name: UTF-8 text was expected")
    platform.drop("zz.txt", GOOD[repo], repo)
    assert run(platform, repo)[1].get("files_refused", 0) == 0


UNFINISHED = ["a.part", "a.txt~", ".a.txt.swp", "a.swp", "a.filepart", "a.CRDOWNLOAD", "a.txt.tmp", "a.bak", "~$a.txt"]


@pytest.mark.parametrize("name", UNFINISHED)
def test_a_file_still_being_written_is_ignored_until_it_has_its_name(platform, repo, name):
    path = platform.drop(name, GOOD[repo], repo)
    assert taken(platform, repo) == []
    assert landing.ignored(platform.store.path, repo) == [name] * (name[0] != ".")
    path.rename(path.with_name("z.txt"))
    assert taken(platform, repo) == ["z.txt"]
    assert (reasons(platform, repo), landing.ignored(platform.store.path, repo)) == ({}, [])


@pytest.mark.parametrize("name", ["a.party", "tmp", "part.txt", "a.tmp.txt", "bak"])
def test_a_name_that_only_looks_unfinished_is_taken(platform, repo, name):
    platform.drop(name, GOOD[repo], repo)
    assert taken(platform, repo) == [name]


@pytest.mark.parametrize("name", LONG)
def test_a_bad_file_with_a_long_name_is_refused(platform, repo, name):
    platform.drop(name, "rubbish\n", repo)
    platform.drop("z.txt", GOOD[repo], repo)
    assert taken(platform, repo) == ["z.txt"]
    assert reasons(platform, repo)[name].startswith("line 1")
    assert landing.refusal(platform.store.path, repo, name) is not None
    platform.drop(name, GOOD[repo] * 2, repo)
    assert name in taken(platform, repo)
    assert reasons(platform, repo) == {}


@pytest.mark.parametrize("name", LONG)
def test_a_good_file_with_a_long_name_is_taken(platform, repo, name):
    platform.drop(name, GOOD[repo], repo)
    assert taken(platform, repo) == [name]
    if repo == "streaming":
        assert files.read_record(platform.store.path, name, 1)["file"] == name


def test_a_loop_of_links_is_told_and_the_others_are_taken(platform, repo):
    platform.drop("z.txt", GOOD[repo], repo)
    (Path(platform.store.path) / repo / "loop.txt").symlink_to("loop.txt")
    assert taken(platform, repo) == ["z.txt"]
    assert reasons(platform, repo)["loop.txt"].startswith("the file cannot be read: Too many levels of symbolic links")


def failing(monkeypatch, repo: layout.Repo, *errors: tuple[str, OSError]) -> None:
    """Have reading these files fail."""
    found = dict(errors)

    def read_bytes(path, sha256=None):
        if path.parent.name == repo and path.name in found:
            raise found[path.name]
        return storage.read_bytes(path, sha256)

    monkeypatch.setattr(landing, "read_bytes", read_bytes)


def test_an_unreadable_file_is_told_and_read_as_soon_as_it_can_be(platform, repo, monkeypatch):
    platform.drop("a.txt", GOOD[repo], repo)
    platform.drop("b.txt", GOOD[repo], repo)
    failing(monkeypatch, repo, ("a.txt", PermissionError(errno.EACCES, "Permission denied")))
    assert taken(platform, repo) == ["b.txt"]
    reason = "the file cannot be read: Permission denied; every run tries again"
    assert reasons(platform, repo) == {"a.txt": reason}
    assert run(platform, repo)[1]["files_unreadable"] == 1
    monkeypatch.undo()
    assert "a.txt" in taken(platform, repo)
    assert reasons(platform, repo) == {}


def test_a_file_that_cannot_be_read_now_does_not_hold_up_the_others(platform, repo, monkeypatch):
    platform.drop("a.txt", GOOD[repo], repo)
    platform.drop("b.txt", GOOD[repo], repo)
    failing(monkeypatch, repo, ("a.txt", OSError(errno.EIO, "Input/output error")))
    assert taken(platform, repo) == ["b.txt"]
    assert reasons(platform, repo)["a.txt"].startswith("the file cannot be read: Input/output error")


def test_if_nothing_can_be_read_now_the_task_is_retried(platform, repo, monkeypatch):
    platform.drop("a.txt", GOOD[repo], repo)
    failing(monkeypatch, repo, ("a.txt", TimeoutError()))
    with pytest.raises(TransientError, match=repo):
        run(platform, repo)


def test_a_file_that_is_gone_since_it_was_listed_is_none(platform, repo, monkeypatch):
    platform.drop("a.txt", GOOD[repo], repo)
    platform.drop("b.txt", GOOD[repo], repo)
    failing(monkeypatch, repo, ("a.txt", FileNotFoundError()))
    assert taken(platform, repo) == ["b.txt"]
    assert reasons(platform, repo) == {}


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"file": "a.txt"}'])
def test_a_damaged_refusal_counts_as_none(platform, repo, record):
    platform.drop("a.txt", GOOD[repo], repo)
    storage.write_whole(layout.refusal_file(platform.store.path, repo, "a.txt"), record)
    assert taken(platform, repo) == ["a.txt"]
