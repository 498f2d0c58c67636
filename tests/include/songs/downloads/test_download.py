"""Downloads by the rules of completeness. S3 is in tests/plugins/test_songs_on_s3.py."""

import hashlib
import itertools
import os
import subprocess
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from include.core.remote import Body, MissingError, RefusedError, TooSlowError, UnreachableError
from include.core.remote.stored import StoredFile
from include.core.remote.web import WebFile
from include.core.storage import walk_objects, write_whole
from include.songs import layout
from include.songs.downloads.download import MAX_ATTEMPTS, download, snapshot_listeners
from include.songs.downloads.transfers import CutOffError, TooLargeError, receive
from include.songs.downloads.versions import Version, spins_version
from include.songs.schemas import NotParquetError
from tests.support.web import chunked, content, parquet, status

DAY, OTHER = date(2019, 2, 8), date(2019, 2, 9)
NOW = datetime(2019, 2, 9, 6, tzinfo=UTC)
MODULE = "include.songs.downloads.download"
PATH = "/songs.parquet"
DATA = parquet()
NEWER = parquet(seed=1)


@pytest.fixture
def source(web, web_client) -> WebFile:
    """Return a source that has the file."""
    web.files[PATH] = DATA
    return WebFile(web.url + PATH, web_client)


class Nobody:
    """A source that must not be asked."""

    def look(self):
        raise AssertionError

    def open(self):
        raise AssertionError


def spins(root: Path, source, day: date = DAY) -> Version | None:
    return download(root, "spins", day, source, NOW, wait_seconds=0)


def listeners(root: Path, source, day: date = DAY) -> Version | None:
    return download(root, "listeners", day, source, NOW, wait_seconds=0)


def state(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return time and content of each file, except locks."""
    return {name: ((root / name).stat().st_mtime_ns, (root / name).read_bytes()) for name in walk_objects(root)}


def test_spins_are_fetched(tmp_path, source):
    version = spins(tmp_path, source)
    assert version == Version(hashlib.sha256(DATA).hexdigest(), len(DATA), NOW.isoformat(), str(source))
    assert layout.spins_file(tmp_path, DAY).read_bytes() == DATA
    assert spins_version(tmp_path, DAY) == version
    assert list(walk_objects(tmp_path)) == ["spins/2019/02/08/spins.snappy.parquet", "versions/spins/2019-02-08.json"]


def test_listeners_are_fetched_and_marked(tmp_path, source):
    version = listeners(tmp_path, source)
    assert version
    assert layout.listeners_file(tmp_path).read_bytes() == DATA
    assert layout.marker(tmp_path, DAY).read_bytes() == b""
    assert list(walk_objects(tmp_path)) == [
        "listeners/listeners.snappy.parquet",
        "markers/2019/02/08/listeners_downloaded.SUCCESS",
        f"versions/listeners/{version.sha256}.json",
    ]


@pytest.mark.parametrize("fetch", [spins, listeners])
def test_a_complete_download_changes_nothing_and_asks_nobody(tmp_path, source, fetch):
    fetch(tmp_path, source)
    before = state(tmp_path)
    assert fetch(tmp_path, Nobody()) is None
    assert state(tmp_path) == before


def test_a_marker_without_listeners_is_not_complete(tmp_path, source, web):
    listeners(tmp_path, source)
    layout.listeners_file(tmp_path).unlink()
    assert listeners(tmp_path, source)
    assert layout.has_listeners(tmp_path, DAY)


def test_listeners_without_a_marker_are_fetched_again_and_replaced(tmp_path, source, web):
    listeners(tmp_path, source)
    web.files[PATH] = NEWER
    listeners(tmp_path, source, OTHER)
    assert layout.listeners_file(tmp_path).read_bytes() == NEWER
    assert layout.has_listeners(tmp_path, DAY)
    assert layout.has_listeners(tmp_path, OTHER)
    assert listeners(tmp_path, Nobody()) is None  # an old day keeps its marker and reads the newest


def test_the_marker_is_written_last(tmp_path, source, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no marker")

    monkeypatch.setattr(f"{MODULE}.write_whole", fail)
    with pytest.raises(OSError, match="no marker"):
        listeners(tmp_path, source)
    assert layout.listeners_file(tmp_path).read_bytes() == DATA
    assert not layout.has_listeners(tmp_path, DAY)


def nothing_was_left(root: Path) -> bool:
    return [name for name in walk_objects(root) if not name.startswith("versions/")] == []


FAULTS = {
    "503": status(503),
    "429": status(429),
    "500": status(500),
    "cut off": content(DATA[:-9], len(DATA)),
    "cut off, length not told": content(DATA[:-9], None),
    "cut off, wrong length": content(DATA[:-9], len(DATA) - 9),
    "longer than told": content(DATA, len(DATA) - 9),
    "chunks end too soon": chunked(DATA, whole=False),
    "footer damaged": content(DATA[:-8] + b"\xff\xff\xff\x7f" + DATA[-4:], len(DATA)),
    "empty": content(b"", 0),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_another_attempt_helps(tmp_path, source, web, fault):
    web.fail(PATH, fault, fault, fault)
    assert spins(tmp_path, source)
    assert layout.spins_file(tmp_path, DAY).read_bytes() == DATA
    assert list(layout.incoming(tmp_path).iterdir()) == []


def test_three_attempts_at_least_with_growing_pauses(tmp_path, source, web, monkeypatch):
    slept = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    web.fail(PATH, *[status(503)] * 10)
    with pytest.raises(UnreachableError):
        download(tmp_path, "spins", DAY, source, NOW)
    assert len(web.requests) == MAX_ATTEMPTS >= 3
    assert slept == [2, 4, 8]


LASTING = {
    "503": (status(503), UnreachableError),
    "cut off": (content(DATA[:-9], len(DATA)), UnreachableError),
    "cut off, length not told": (content(DATA[:-9], None), CutOffError),
    "cut off, wrong length": (content(DATA[:-9], len(DATA) - 9), CutOffError),
    "empty": (content(b"", 0), CutOffError),
    "too short": (content(b"PAR1PAR1", 8), CutOffError),
    "chunks end too soon": (chunked(DATA, whole=False), UnreachableError),
}


@pytest.mark.parametrize(("fault", "error"), LASTING.values(), ids=LASTING)
@pytest.mark.parametrize("fetch", [spins, listeners])
def test_nothing_is_left_of_attempts_that_fail(tmp_path, source, web, fetch, fault, error):
    web.fail(PATH, *[fault] * MAX_ATTEMPTS)
    with pytest.raises(error):
        fetch(tmp_path, source)
    assert nothing_was_left(tmp_path)
    assert len(web.requests) == MAX_ATTEMPTS


AT_ONCE = {
    "403": (status(403), MissingError),
    "404": (status(404), MissingError),
    "410": (status(410), MissingError),
    "401": (status(401), RefusedError),
    "a page": (content(b"<html>Please log in</html>", 26), NotParquetError),
}


@pytest.mark.parametrize(("fault", "error"), AT_ONCE.values(), ids=AT_ONCE)
@pytest.mark.parametrize("fetch", [spins, listeners])
def test_no_other_attempt_where_it_would_not_help(tmp_path, source, web, fetch, fault, error):
    web.fail(PATH, fault)
    with pytest.raises(error):
        fetch(tmp_path, source)
    assert nothing_was_left(tmp_path)
    assert len(web.requests) == 1


def test_what_is_not_parquet_is_named_and_not_shown(tmp_path, source, web):
    """Whoever may start a run would otherwise read from inside the network."""
    for data in (b"<html>secret</html>", b"PAR1 secret"):
        web.files[PATH] = data
        with pytest.raises(NotParquetError if data[:1] == b"<" else CutOffError) as raised:
            spins(tmp_path, source)
        assert str(source) in str(raised.value)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("fault", [content(DATA, len(DATA)), content(DATA, None), chunked(DATA)])
def test_a_file_that_is_too_large_is_refused_before_it_fills_the_disk(tmp_path, source, web, fault):
    web.fail(PATH, fault)
    with pytest.raises(TooLargeError, match=r"at most 0\.0001 MB were expected \(SONGS_MAX_DOWNLOAD_MEGABYTES\)"):
        download(tmp_path, "spins", DAY, source, NOW, 0, 100 / 1e6)
    assert nothing_was_left(tmp_path)
    assert len(web.requests) == 1


def test_a_download_that_takes_too_long_is_not_tried_again_at_once(tmp_path, web, web_client):
    web.always["GET", PATH] = web.hang
    with httpx.Client(timeout=5, trust_env=False) as patient, pytest.raises(TooSlowError):
        spins(tmp_path, WebFile(web.url + PATH, patient, read_seconds=0.2))
    assert len(web.requests) == 1


def test_a_file_that_is_gone_after_it_was_seen_is_not_ready_again(tmp_path, source, web):
    assert source.look()
    del web.files[PATH]
    with pytest.raises(MissingError):
        spins(tmp_path, source)


def test_a_failed_download_leaves_the_listeners_that_are_there(tmp_path, source, web):
    listeners(tmp_path, source)
    before = state(tmp_path)
    for fault, error in [*LASTING.values(), *AT_ONCE.values()]:
        web.fail(PATH, *[fault] * MAX_ATTEMPTS)
        with pytest.raises(error):
            listeners(tmp_path, source, OTHER)
        web.faults.clear()
        assert state(tmp_path) == before


@contextmanager
def interrupted(data: bytes, error: BaseException) -> Iterator[Body]:
    def blocks() -> Iterator[bytes]:
        yield data[:30]
        raise error

    yield Body(len(data), blocks())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), RuntimeError()])
def test_a_task_that_is_ended_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)):
        spins(tmp_path, SimpleNamespace(open=lambda: interrupted(DATA, error)))
    assert nothing_was_left(tmp_path)


def test_no_beginning_of_a_file_is_taken_for_the_file(tmp_path):
    for length in range(len(DATA)):
        with (
            pytest.raises(CutOffError),
            receive("a", Body(None, iter([DATA[:length]])), tmp_path / "a", tmp_path / "b"),
        ):
            pytest.fail(f"{length} bytes of {len(DATA)} were taken")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_download_has_left_is_removed_by_the_next_of_the_same_day(tmp_path, source):
    left = [f"spins-{DAY}.aaaa", f"spins-{OTHER}.bbbb", f"listeners-{DAY}.cccc"]
    for name in left:
        write_whole(layout.incoming(tmp_path) / name, DATA[:30])
    assert spins(tmp_path, source)
    assert sorted(each.name for each in layout.incoming(tmp_path).iterdir()) == sorted(left[1:])


def test_a_download_that_was_given_up_does_not_put_its_file_in_place(tmp_path, source):
    """A task goes on after its lease has expired: what it writes was removed by the one that took over."""

    @contextmanager
    def overtaken() -> Iterator[Body]:
        def blocks() -> Iterator[bytes]:
            yield NEWER
            assert spins(tmp_path, source)

        yield Body(len(NEWER), blocks())

    with pytest.raises(FileNotFoundError):
        spins(tmp_path, SimpleNamespace(open=overtaken))
    assert layout.spins_file(tmp_path, DAY).read_bytes() == DATA


def test_a_local_source(tmp_path):
    (tmp_path / "there").write_bytes(DATA)
    assert spins(tmp_path / "songs", StoredFile(tmp_path / "there"))
    assert layout.spins_file(tmp_path / "songs", DAY).read_bytes() == DATA


def test_a_file_that_grows_while_it_is_read_is_fetched_anew(tmp_path, monkeypatch):
    (tmp_path / "there").write_bytes(DATA)
    source = StoredFile(tmp_path / "there")
    real, contents = StoredFile._blocks, iter([DATA + NEWER, NEWER, NEWER])

    def blocks(self, file):
        (tmp_path / "there").write_bytes(next(contents))  # in place, after it was opened
        yield from real(self, file)

    monkeypatch.setattr(StoredFile, "_blocks", blocks)
    assert spins(tmp_path / "songs", source)
    assert layout.spins_file(tmp_path / "songs", DAY).read_bytes() == NEWER


def test_memory_does_not_grow_with_the_file(tmp_path):
    block = os.urandom(4 << 20)
    body = Body(None, itertools.chain([b"PAR1" + block], itertools.repeat(block, 20), [DATA]))
    tracemalloc.start()
    try:
        with receive("a", body, tmp_path / "a", tmp_path / "b") as (_, size):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 80 << 20
    assert peak < 8 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"file systems cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("fetch", [spins, listeners])
def test_a_full_disk_leaves_what_was_there(small_disk, source, web, fetch):
    listeners(small_disk, source, OTHER)
    before = state(small_disk)
    web.files[PATH] = parquet(200_000)
    with pytest.raises(OSError, match="No space left"):
        fetch(small_disk, source)
    assert state(small_disk) == before
    assert len(web.requests) == 2
    web.files[PATH] = NEWER
    assert fetch(small_disk, source)


def test_a_disk_that_is_full_at_the_last_moment_leaves_what_was_there(tmp_path, source, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("include.core.storage.local.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        spins(tmp_path, source)
    assert nothing_was_left(tmp_path)


def test_a_snapshot_says_which_listeners_it_is(tmp_path, source):
    version = listeners(tmp_path, source)
    copy = tmp_path / "work" / "listeners.snappy.parquet"
    assert snapshot_listeners(tmp_path, copy) == version
    assert copy.read_bytes() == DATA
    assert [each.name for each in copy.parent.iterdir()] == [copy.name]


def test_a_snapshot_of_listeners_that_were_put_there_by_hand(tmp_path):
    write_whole(layout.listeners_file(tmp_path), NEWER)
    version = snapshot_listeners(tmp_path, tmp_path / "copy")
    assert version == Version(hashlib.sha256(NEWER).hexdigest(), len(NEWER))


def test_a_snapshot_of_half_a_file_is_bad_data(tmp_path):
    write_whole(layout.listeners_file(tmp_path), NEWER[:-9])
    with pytest.raises(NotParquetError, match="not complete"):
        snapshot_listeners(tmp_path, tmp_path / "copy", wait_seconds=0)


def test_a_snapshot_needs_listeners(tmp_path):
    with pytest.raises(MissingError, match="not there"):
        snapshot_listeners(tmp_path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_three_days_at_once_while_the_listeners_are_replaced(tmp_path, source, web):
    """Each reader sees a whole file whose version is known, whoever replaces it meanwhile."""
    contents = [parquet(50_000, seed) for seed in range(4)]
    web.files[PATH] = contents[0]
    listeners(tmp_path, source, OTHER)
    checksums = {hashlib.sha256(each).hexdigest() for each in contents}
    problems: list[object] = []

    def replace(number: int) -> None:
        for day in range(1, 11):
            web.files[PATH] = contents[(number + day) % 4]
            listeners(tmp_path, source, date(2019, number, day))

    def copy(number: int) -> None:
        for again in range(10):
            target = tmp_path / f"copy-{number}-{again}"
            version = snapshot_listeners(tmp_path, target)
            if version.sha256 not in checksums or not version.fetched_at or len(target.read_bytes()) != version.size:
                problems.append(version)

    def act(what, number: int) -> None:
        try:
            what(number)
        except Exception as error:
            problems.append(error)

    work = [(replace, 3), (replace, 4), (replace, 5), (copy, 1), (copy, 2), (copy, 3)]
    threads = [threading.Thread(target=act, args=each) for each in work]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert problems == []


@pytest.mark.real_data
def test_the_real_files(tmp_path):
    folder = Path(os.environ["QUARTET_REAL_DATA"], "song_plays")
    version = spins(tmp_path, StoredFile(folder / "spins-2019-02-08.snappy.parquet"))
    assert version
    assert (version.sha256[:12], version.size) == ("5b838ede6e88", 226_804)
    version = listeners(tmp_path, StoredFile(folder / "listeners.snappy.parquet"))
    assert version
    assert (version.sha256[:12], version.size) == ("7a4e509860ef", 2_468)
    assert snapshot_listeners(tmp_path, tmp_path / "copy") == version
