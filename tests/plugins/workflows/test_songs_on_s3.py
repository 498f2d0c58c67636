"""Song plays in S3: sources, downloads, leases. S3 is moto's server."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest
from airflow.sdk import ObjectStoragePath

from include.core import lease
from include.core.lease import Lease, LeaseHeldError, LeaseLostError
from include.core.remote import Body, MissingError, RefusedError, UnreachableError
from include.core.remote.stored import BLOCK_BYTES, StoredFile
from include.core.storage import StoredObject, find_object, read_bytes, read_json, s3, walk_objects, write_whole
from include.songs import layout
from include.songs.downloads.download import download, snapshot_listeners
from include.songs.downloads.transfers import CutOffError
from include.songs.downloads.versions import Version
from include.songs.layout import PART, SUCCESS
from include.songs.rules import TooFewRowsError
from include.songs.schemas import LISTENERS, SPINS
from quartet.hooks.storage import StorageHook
from quartet.workflows.songs import songs_run
from tests.plugins.workflows.test_songs import context
from tests.support.remote import both
from tests.support.songs import example
from tests.support.songs.jobs import table, write
from tests.support.songs.layout import DAYS, fill
from tests.support.web import parquet

DAY, OTHER = date(2019, 2, 8), date(2019, 2, 9)
NOW = datetime(2019, 2, 9, 6, tzinfo=UTC)
DATA = parquet()


@pytest.fixture
def root(s3_storage) -> ObjectStoragePath:
    return StorageHook().path("songs")


@pytest.fixture
def there(s3_storage) -> ObjectStoragePath:
    """Return a remote file."""
    path = StorageHook().path("elsewhere/day.parquet")
    write_whole(path, DATA)
    return path


@pytest.fixture
def client(s3_server):
    return boto3.client(
        "s3", "eu-central-1", endpoint_url=s3_server, aws_access_key_id="id", aws_secret_access_key="secret"
    )


@pytest.fixture
def small_pieces(monkeypatch) -> None:
    """Upload pieces that are as small as S3 takes them."""
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)


def test_days_are_known(root):
    assert layout.known_days(root) == []
    fill(root)
    assert layout.known_days(root) == DAYS
    assert layout.known_days(root, 2019, 2) == DAYS[1:3]


def test_a_source_is_seen_and_read(there):
    source = StoredFile(there)
    found = source.look()
    assert (found.name, found.size) == ("day.parquet", len(DATA))
    with source.open() as body:
        assert (body.size, b"".join(body.blocks)) == (len(DATA), DATA)


def test_a_key_that_is_not_there_is_missing(there):
    source = StoredFile(there.parent / "other.parquet")
    assert [type(found) for found in both(source)] == [MissingError] * 2


def test_a_bucket_that_is_not_there_is_refused(s3_storage):
    source = StoredFile(ObjectStoragePath("s3://no-such-bucket/a", conn_id="quartet_storage"))
    with pytest.raises(RefusedError, match="no-such-bucket"):
        source.look()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (403, MissingError),
        (410, MissingError),
        (429, UnreachableError),
        (500, UnreachableError),
        (503, UnreachableError),
        (401, RefusedError),
        (400, RefusedError),
    ],
)
def test_answers_of_the_store_are_classified(there, monkeypatch, code, kind):
    from botocore.exceptions import ClientError
    from s3fs import S3FileSystem

    async def fail(self, *_: object, **__: object) -> None:
        from s3fs.errors import translate_boto_error

        answer = {"Error": {"Code": str(code)}, "ResponseMetadata": {"HTTPStatusCode": code}}
        raise translate_boto_error(ClientError(answer, "HeadObject"))  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(S3FileSystem, "_call_s3", fail)
    assert [type(found) for found in both(StoredFile(there))] == [kind] * 2


def test_a_store_that_cannot_be_reached_is_trouble_that_passes(s3_storage, monkeypatch):
    from s3fs import S3FileSystem

    extra = {"endpoint_url": "http://127.0.0.1:9", "region_name": "eu-central-1"}
    extra["config_kwargs"] = {"retries": {"max_attempts": 0}}
    connection = {"conn_type": "aws", "login": "id", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(connection))
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    with pytest.raises(UnreachableError) as error:
        StoredFile(ObjectStoragePath("s3://away@bucket/a")).look()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("size", [3, 1_600_000])
def test_spins_are_fetched(root, there, small_pieces, size):
    data = parquet(size)
    write_whole(there, data)
    version = download(root, "spins", DAY, StoredFile(there), NOW)
    assert version
    assert (version.sha256, version.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert read_bytes(layout.spins_file(root, DAY), version.sha256) == data
    assert list(walk_objects(root)) == ["spins/2019/02/08/spins.snappy.parquet", "versions/spins/2019-02-08.json"]
    before = find_object(layout.spins_file(root, DAY))
    assert download(root, "spins", DAY, SimpleNamespace(), NOW) is None  # pyright: ignore[reportArgumentType]
    assert find_object(layout.spins_file(root, DAY)) == before


def test_listeners_are_fetched_and_replaced_and_copied(root, there, tmp_path):
    first = download(root, "listeners", DAY, StoredFile(there), NOW)
    assert download(root, "listeners", DAY, StoredFile(there), NOW) is None
    newer = parquet(seed=1)
    write_whole(there, newer)
    second = download(root, "listeners", OTHER, StoredFile(there), NOW)
    assert first
    assert second
    assert read_bytes(layout.listeners_file(root), second.sha256) == newer
    assert layout.has_listeners(root, DAY)
    for target in (root / "work" / "listeners.parquet", tmp_path / "listeners.parquet"):
        assert snapshot_listeners(root, target) == second
        assert read_bytes(target) == newer


def test_a_day_is_made_by_duckdb_and_made_anew(root, tmp_path):
    spins = write(table(SPINS, example.PLAYS), tmp_path / "spins")
    listeners = write(table(LISTENERS, example.LISTENERS), tmp_path / "listeners")
    download(root, "spins", DAY, StoredFile(spins), NOW)
    download(root, "listeners", DAY, StoredFile(listeners), NOW)
    for _ in range(2):
        with songs_run(context(minrows=6)) as run:
            run.duckdb()
            report = run.check()
        assert (report.rows, report.groups) == (6, 4)
        assert report.listeners
        assert report.listeners["sha256"] == hashlib.sha256(listeners.read_bytes()).hexdigest()
        assert list(walk_objects(root / "output")) == [
            f"2019/02/08/{output}/{file}" for output in ("counts_by_zip_sub", "dataset") for file in (SUCCESS, PART)
        ]
        found = gzip.decompress(read_bytes(layout.dataset_folder(root, DAY) / PART)).decode().splitlines()
        assert sorted(found[1:], key=str.encode) == example.DATASET
    with pytest.raises(TooFewRowsError), songs_run(context()) as run:
        run.duckdb()
    assert not walk_objects(root / "output")


class Pieces:
    """A source that sends many megabytes and then something else, or nothing more."""

    def __init__(self, *end: bytes | BaseException) -> None:
        self.end = end

    def look(self) -> StoredObject:
        raise AssertionError

    def is_settled(self, found: StoredObject, now: float, seconds: float) -> bool:
        raise AssertionError

    @contextmanager
    def open(self) -> Iterator[Body]:
        yield Body(None, self._blocks())

    def _blocks(self) -> Iterator[bytes]:
        yield b"PAR1" + bytes(BLOCK_BYTES)
        yield bytes(BLOCK_BYTES)
        for each in self.end:
            if isinstance(each, BaseException):
                raise each
            yield each


@pytest.mark.parametrize(
    ("end", "error"), [([b"no end"], CutOffError), ([RuntimeError()], RuntimeError), ([SystemExit()], SystemExit)]
)
def test_a_failed_download_leaves_what_was_there_and_no_pieces(root, there, client, small_pieces, end, error):
    known = download(root, "listeners", DAY, StoredFile(there), NOW)
    before = walk_objects(root)
    with pytest.raises(error):
        download(root, "listeners", OTHER, Pieces(*end), NOW, wait_seconds=0)
    assert walk_objects(root) == before
    assert known
    assert read_bytes(layout.listeners_file(root), known.sha256) == DATA
    assert "Uploads" not in client.list_multipart_uploads(Bucket=root.bucket)


def test_an_upload_that_is_refused_at_its_end_leaves_nothing(root, there, client, monkeypatch):
    from s3fs.core import S3File

    def fail(self) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(S3File, "commit", fail)
    with pytest.raises(OSError, match="No space"):
        download(root, "spins", DAY, StoredFile(there), NOW)
    assert not layout.has_spins(root, DAY)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=root.bucket)


def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed(root, there, client):
    old, new = (b"PAR1" + os.urandom(BLOCK_BYTES) for _ in range(2))
    write_whole(there, old)
    with StoredFile(there).open() as body:
        assert old.startswith(next(body.blocks))
        client.put_object(Bucket=there.bucket, Key=there.key, Body=new)
        with pytest.raises(UnreachableError):
            next(body.blocks)


def test_a_file_that_another_process_made_longer_is_read_whole(there, client):
    StoredFile(there).look()
    there.fs.ls(there.parent.path)
    client.put_object(Bucket=there.bucket, Key=there.key, Body=DATA * 2)
    with StoredFile(there).open() as body:
        assert (body.size, b"".join(body.blocks)) == (len(DATA) * 2, DATA * 2)


class Clock:
    """Stands still until somebody moves it; `then` happens once, when the time is asked for."""

    def __init__(self) -> None:
        self.now = NOW
        self.then: list[Callable[[], object]] = []

    def __call__(self) -> datetime:
        if self.then:
            self.then.pop()()
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def day(root, clock) -> Callable[[str], Lease]:
    """Return a function that builds the lease of a day for a run."""
    return lambda holder: Lease(layout.lease_file(root, DAY), holder, 60, clock)


def holder(root) -> str:
    return read_json(layout.lease_file(root, DAY))["holder"]


def test_a_day_is_one_runs_at_a_time(day, clock, root):
    day("a").acquire()
    with pytest.raises(LeaseHeldError):
        day("b").acquire()
    day("a").acquire()
    day("a").renew()
    clock.now += timedelta(seconds=60)
    day("b").acquire()
    with pytest.raises(LeaseLostError):
        day("a").renew()
    day("a").release()
    assert holder(root) == "b"
    day("b").release()
    day("a").acquire()


def test_the_faster_one_of_two_has_a_new_day(day, clock, root):
    clock.then = [day("b").acquire]  # after a has seen that nobody has it
    with pytest.raises(LeaseHeldError):
        day("a").acquire()
    assert holder(root) == "b"


def test_the_faster_one_of_two_has_an_expired_day(day, clock, root):
    day("old").acquire()
    clock.now += timedelta(seconds=60)
    clock.then = [day("b").acquire]
    with pytest.raises(LeaseHeldError):
        day("a").acquire()
    assert holder(root) == "b"


def test_a_renewal_does_not_undo_a_change_of_hands(day, clock, root):
    day("a").acquire()
    clock.now += timedelta(seconds=60)
    clock.then = [day("b").acquire]
    with pytest.raises(LeaseLostError):
        day("a").renew()
    assert holder(root) == "b"


def test_the_same_run_in_two_tasks_does_not_lose_its_day(day, clock, root):
    clock.then = [day("a").acquire]
    day("a").acquire()
    clock.then = [day("a").renew]
    day("a").renew()
    assert holder(root) == "a"


def test_a_write_whose_answer_was_lost_is_made_again(day, monkeypatch, root):
    real, lost = lease.compare_and_swap, iter([True])

    def swap(*arguments) -> bool:
        return real(*arguments) and not next(lost, False)

    monkeypatch.setattr(lease, "compare_and_swap", swap)
    day("a").acquire()
    assert holder(root) == "a"


def test_a_lease_that_always_changes_is_given_up(day, monkeypatch):
    monkeypatch.setattr(lease, "compare_and_swap", lambda *_: False)
    with pytest.raises(OSError, match="20 times in a row"):
        day("a").acquire()


def test_a_version_of_listeners_put_there_by_hand_has_no_time(root, tmp_path):
    write_whole(layout.listeners_file(root), DATA)
    assert snapshot_listeners(root, tmp_path / "a") == Version(hashlib.sha256(DATA).hexdigest(), len(DATA))
