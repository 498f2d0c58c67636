"""Events and extracts in S3: the same rows as from local files, however many objects there are."""

import gzip
import logging
import shutil
from collections.abc import Iterator

import pandas as pd
import pytest
from airflow.sdk import ObjectStoragePath
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from include.articles.events import archive as events
from include.articles.events.archive import collect, events_url, list_events
from include.articles.settings import ArticleSettings
from include.core.storage import StoragePath, walk_objects
from quartet.hooks.storage import StorageHook
from tests.include.articles.archive import RUN_AT, lines, name, put, record

SETTINGS = ArticleSettings.load(days_of_data=2)
PAGE = 1_000
"""Objects that S3 lists at a time."""


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """Yield the URL of a moto server in this process, which stores many objects quickly."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://127.0.0.1:{1}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def root(s3_storage: str) -> ObjectStoragePath:
    return ObjectStoragePath(events_url(f"{s3_storage}/events/"), conn_id="quartet_storage")


def rows(root: StoragePath, folder: StoragePath) -> tuple[dict, pd.DataFrame]:
    manifest = collect(root, folder, RUN_AT, SETTINGS)
    found = events.load(root, folder, manifest, RUN_AT, SETTINGS).astype(
        {"client_id": "str", "landing_page_path": "str"}
    )
    counts = {each: value for each, value in manifest.items() if each != "extracts"}
    return counts, found.sort_values(["client_id", "activity_time"], ignore_index=True)


def fill(root: StoragePath) -> None:
    for number in range(12):
        given = [record(f"amp-{number}", time=f"2026-03-10T11:{minute:02}:00.{number:03}Z") for minute in range(9)]
        put(root, name(number), [*given, record(client=None), record(f"é{number}", None)])
    put(root, name(0, "2026/03/09/00"), [record("amp-9", time="2026-03-08T23:00:00.000Z"), record(), b"bad"])
    put(root, "enriched/good/2026/03/10/11/other.json", [record()])
    (root / name(90)).write_bytes(gzip.compress(lines([record()]))[:-5])
    (root / name(91)).write_bytes(b"")


def test_s3_and_local_files_give_the_same_rows(root, tmp_path):
    fill(root)
    fill(tmp_path / "events")
    counts, found = rows(root, StorageHook().path("articles/site/extracts"))
    local_counts, local = rows(tmp_path / "events", tmp_path / "extracts")
    assert counts == local_counts
    assert (counts["files"], counts["bad_files"], counts["empty_files"], counts["ignored_files"]) == (14, 1, 1, 1)
    pd.testing.assert_frame_equal(found, local)
    assert len(found) == 12 * 10 + 1


def test_a_second_run_reads_only_what_is_new_or_was_replaced(root):
    folder = StorageHook().path("articles/site/extracts")
    fill(root)
    before, found = rows(root, folder)
    assert before["new_files"] == 14
    assert rows(root, folder)[0] == before | {"new_files": 0}
    put(root, name(0), [record("amp-new")])
    put(root, name(50), [record("amp-newer")])
    counts, after = rows(root, folder)
    assert counts["new_files"] == 2
    assert set(after["client_id"]) == set(found["client_id"]) - {"amp-0", "é0"} | {"amp-new", "amp-newer"}


def test_deleted_extracts_are_made_again(root):
    folder = StorageHook().path("articles/site/extracts")
    fill(root)
    manifest = collect(root, folder, RUN_AT, SETTINGS)
    before = events.load(root, folder, manifest, RUN_AT, SETTINGS)
    for name_ in walk_objects(folder):
        (folder / name_).unlink()
    assert walk_objects(folder) == {}
    pd.testing.assert_frame_equal(events.load(root, folder, manifest, RUN_AT, SETTINGS), before)


def test_extracts_may_be_local_while_events_are_in_s3(root, tmp_path):
    fill(root)
    _, found = rows(root, tmp_path)
    shutil.rmtree(tmp_path / "2026-03-10")
    pd.testing.assert_frame_equal(rows(root, tmp_path)[1], found)


def test_an_archived_object_is_left_out_until_it_is_restored(root, tmp_path):
    for number in range(2):
        put(root, name(number), [record(f"amp-{number}")])
    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    bucket, _, prefix = root.path.partition("/")
    key = store.get_object(bucket, f"{prefix.rstrip('/')}/{name(0)}")
    key._storage_class = "GLACIER"
    for _ in range(2):
        counts, found = rows(root, tmp_path)
        assert (counts["files"], counts["bad_files"], counts["archived_files"]) == (2, 1, 1)
        assert (counts["bad_file"], found["client_id"].tolist()) == (name(0), ["amp-1"])
    key._storage_class = "STANDARD"
    counts, found = rows(root, tmp_path)
    assert (counts["bad_files"], counts["new_files"]) == (0, 1)
    assert found["client_id"].tolist() == ["amp-0", "amp-1"]


def test_a_bucket_that_is_not_there_is_an_error(s3_storage, tmp_path):
    nowhere = ObjectStoragePath("s3://no-such-bucket", conn_id="quartet_storage")
    with pytest.raises(FileNotFoundError, match="bucket does not exist"):
        collect(nowhere, tmp_path, RUN_AT, SETTINGS)


def test_a_date_may_have_more_objects_than_s3_lists_at_a_time(root):
    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    bucket, _, prefix = root.path.partition("/")
    names = [f"enriched/good/2026/03/10/{number % 24:02}/{number:05}.gz" for number in range(2 * PAGE + 1)]
    for each in names:
        store.put_object(bucket, f"{prefix}/{each}", b"x")
    assert list(list_events(root, RUN_AT, 1).objects) == sorted(names)
