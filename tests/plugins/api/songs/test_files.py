"""`/days/{day}/*.csv.gz`, and outputs that are not complete."""

import json

import pytest

from include.core.storage import StoragePath, write_whole
from include.songs import layout, results
from quartet.api.common.files import StoredFileResponse
from quartet.api.songs.service import FOLDERS
from tests.plugins.api.songs.content import COUNTS_FILE, DATASET_FILE, DAY, PART, URL, fill
from tests.support.api_client import Client


@pytest.mark.parametrize("output", ["dataset", "counts"])
class TestFiles:
    """`/days/{day}/*.csv.gz`."""

    def test_a_file_is_fetched_as_it_is(self, client, full, output):
        answer = client.get(f"{URL}/{output}.csv.gz")
        expected = DATASET_FILE if output == "dataset" else COUNTS_FILE
        assert answer.content == expected
        assert answer.headers["Content-Length"] == str(len(expected))
        assert answer.headers["Content-Type"] == "application/gzip"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{output}-2019-02-08.csv.gz"'

    def test_a_long_file_comes_in_blocks(self, client, full, output):
        data = bytes(range(256)) * 10_000  # two blocks and a half
        write_whole(FOLDERS[output](full, DAY) / PART, data)
        with client.stream("GET", f"{URL}/{output}.csv.gz") as answer:
            assert b"".join(answer.iter_bytes()) == data
        assert StoredFileResponse.chunk_size == 1 << 20

    def test_head_answers_like_get_without_the_content(self, client, full, output):
        found, asked = (client.request(method, f"{URL}/{output}.csv.gz") for method in ("GET", "HEAD"))
        assert (asked.status_code, asked.content, dict(asked.headers)) == (200, b"", dict(found.headers))
        assert asked.headers["Content-Length"] == str(len(found.content))
        assert asked.headers["Accept-Ranges"] == "bytes"

    @pytest.mark.parametrize(
        ("range_", "part"), [("bytes=3-9", slice(3, 10)), ("bytes=5-", slice(5, None)), ("bytes=-4", slice(-4, None))]
    )
    def test_a_download_can_be_resumed(self, client, full, output, range_, part):
        data = DATASET_FILE if output == "dataset" else COUNTS_FILE
        answer = client.get(f"{URL}/{output}.csv.gz", headers={"Range": range_})
        assert (answer.status_code, answer.content) == (206, data[part])
        assert answer.headers["Content-Range"].endswith(f"/{len(data)}")
        again = client.get(f"{URL}/{output}.csv.gz", headers={"Range": range_, "If-Range": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (206, data[part])
        head = client.head(f"{URL}/{output}.csv.gz", headers={"Range": range_})
        assert (head.status_code, head.headers["Content-Length"]) == (206, str(len(data[part])))

    def test_two_ranges_come_in_two_parts(self, client, full, output):
        answer = client.get(f"{URL}/{output}.csv.gz", headers={"Range": "bytes=0-1,4-5"})
        assert answer.status_code == 206
        assert answer.headers["Content-Type"].startswith("multipart/byteranges")

    def test_a_range_beyond_the_end(self, client, full, output):
        size = len(DATASET_FILE if output == "dataset" else COUNTS_FILE)
        answer = client.get(f"{URL}/{output}.csv.gz", headers={"Range": f"bytes={size}-"})
        assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{size}")

    def test_a_replaced_file_is_not_continued_with_another(self, client, full, output):
        first = client.get(f"{URL}/{output}.csv.gz")
        write_whole(FOLDERS[output](full, DAY) / PART, b"another")
        answer = client.get(f"{URL}/{output}.csv.gz", headers={"Range": "bytes=3-", "If-Range": first.headers["ETag"]})
        assert (answer.status_code, answer.content) == (200, b"another")
        assert answer.headers["ETag"] != first.headers["ETag"]

    def test_a_file_that_the_client_has_is_not_sent_again(self, client, full, output):
        first = client.get(f"{URL}/{output}.csv.gz")
        for header, name in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
            answer = client.get(f"{URL}/{output}.csv.gz", headers={header: first.headers[name]})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["ETag"] == first.headers["ETag"]
        assert client.get(f"{URL}/{output}.csv.gz", headers={"If-None-Match": '"a"'}).status_code == 200

    @pytest.mark.parametrize(
        "headers", [{}, {"Range": "bytes=0-1"}, {"Range": "bytes=999999-"}, {"If-None-Match": "*"}]
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_no_file_is_left_open(self, client, full, monkeypatch, output, method, headers):
        opened, real = [], results.open_read
        monkeypatch.setattr(results, "open_read", lambda *found: (opened.append(real(*found)), opened[-1])[1])
        client.request(method, f"{URL}/{output}.csv.gz", headers=headers)
        assert [file.closed for file, _ in opened] == [True]

    def test_a_complete_output_has_one_part(self, client, root, output):
        fill(root)
        folder = FOLDERS[output](root, DAY)
        write_whole(folder / f".{PART}.crc", b"")
        assert client.get(f"{URL}/{output}.csv.gz").status_code == 200
        write_whole(folder / "part-00001.csv.gz", DATASET_FILE)
        answer = client.get(f"{URL}/{output}.csv.gz")
        assert answer.status_code == 503
        assert "found 2" in answer.json()["detail"]
        for name in (PART, "part-00001.csv.gz"):
            (folder / name).unlink()
        assert client.get(f"{URL}/{output}.csv.gz").status_code == 503


@pytest.mark.parametrize("path", ["/days", URL, f"{URL}/counts", "/days/2019-02-09", "/docs", "/openapi.json"])
def test_head_answers_like_get(client, full, path):
    found, asked = client.get(path), client.head(path)
    assert (asked.status_code, asked.content, asked.headers) == (found.status_code, b"", found.headers)


@pytest.mark.parametrize("name", ["counts", "counts.csv.gz", "dataset.csv.gz"])
class TestIncompleteOutputs:
    """Nothing is read of a day that is not complete."""

    @pytest.mark.parametrize("output", ["dataset", "counts"])
    def test_nothing_is_given_of_an_incomplete_day(self, client, full, output, name):
        (FOLDERS[output](full, DAY) / "_SUCCESS").unlink()
        answer = client.get(f"{URL}/{name}")
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": "2019-02-08 has no complete outputs", "errors": []},
        )

    def test_a_day_without_anything_has_no_outputs(self, client, root, name):
        assert client.get(f"{URL}/{name}").status_code == 404

    @pytest.mark.parametrize("complete", [False, True])
    def test_a_day_that_is_made_anew_while_it_is_opened_is_not_given(self, client, root, monkeypatch, name, complete):
        fill(root)
        real = results.open_read

        def remade(path: StoragePath, read_ahead_bytes: int):
            for folder in (layout.dataset_folder(root, DAY), layout.counts_folder(root, DAY)):
                (folder / "_SUCCESS").unlink()
                write_whole(folder / PART, b"half of it")
            opened = real(path, read_ahead_bytes)
            if complete:
                fill(root)
            return opened

        monkeypatch.setattr(results, "open_read", remade)
        assert client.get(f"{URL}/{name}").status_code == 404

    def test_a_file_that_is_gone_when_it_is_opened_is_not_given(self, client, root, monkeypatch, name):
        fill(root)
        real = results.list_objects

        def removed(folder: StoragePath):
            found = real(folder)
            (folder / PART).unlink()
            return found

        monkeypatch.setattr(results, "list_objects", removed)
        answer = client.get(f"{URL}/{name}")
        assert answer.status_code == 404
        assert "being written again" in answer.json()["detail"]


def test_on_airflows_server_a_file_comes_as_it_is(airflow: Client, airflow_home):
    """Airflow compresses answers by itself; a file that is compressed keeps its length."""
    root = airflow_home / "quartet" / "data" / "songs"
    fill(root)
    data = bytes(range(256)) * 100
    write_whole(layout.dataset_folder(root, DAY) / PART, data)
    answer = airflow.get(f"/songs{URL}/dataset.csv.gz", headers=airflow.as_user("viewer") | {"Accept-Encoding": "gzip"})
    assert answer.content == data
    assert answer.headers["Content-Length"] == str(len(data))
    assert "Content-Encoding" not in answer.headers
    headers = airflow.as_user("viewer") | {"Accept-Encoding": "gzip", "Range": "bytes=1000-9999"}
    part = airflow.get(f"/songs{URL}/dataset.csv.gz", headers=headers)
    assert (part.status_code, part.content) == (206, data[1000:10_000])
    assert "Content-Encoding" not in part.headers


def test_the_description_names_the_files(client):
    paths = json.loads(client.get("/openapi.json").text)["paths"]
    answers = paths["/days/{day}/dataset.csv.gz"]["get"]["responses"]
    kinds = {status: list(answer["content"]) for status, answer in answers.items()}
    assert kinds.pop("200") == ["application/gzip"]
    assert set(map(tuple, kinds.values())) == {("application/json",)}
    [day] = paths["/days/{day}/counts"]["get"]["parameters"][:1]
    assert (day["name"], day["schema"]["format"]) == ("day", "date")
