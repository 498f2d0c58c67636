"""The song plays API, with storage in a folder and once in S3, mostly without Airflow behind it."""

import gzip
import json
from datetime import date

import pytest
from fastapi.testclient import TestClient

from include.core.storage import StoragePath, write_json, write_whole
from include.songs import layout, results
from quartet.api.songs import app as songs
from quartet.hooks.storage import StorageHook
from tests.support.api_client import Client

DAY = date(2019, 2, 8)
URL = "/days/2019-02-08"
PART = "part-00000-9c3b.c000.csv.gz"
HEADER = "fake_zipcode\tsubscription_type\tspins\n"
COUNTS = [
    (None, "", 2),
    (None, "Family", 1),
    (10001, "Premium", 3),
    (90210, "Family", 4),
    (90210, "Plus\x85\u2028\"'", 5),
]
TITLES = 'fake_listener_id\ttrack_title\n1\tSay "Hi" \\ \x85\u2028é\n2\t\n'
VERSION = {"sha256": "5b" * 32, "size": 226_804, "fetched_at": "2019-02-09T06:00:00+00:00", "source": "file:///a"}
REPORT = {
    "day": "2019-02-08",
    "engine": "duckdb",
    "run_id": "manual__1",
    "finished_at": "2019-02-09T06:01:00+00:00",
    "rows": 15,
    "groups": 5,
    "minrows": 10,
    "metrics": {"spins_read": 20, "seconds": {"join": 0.5}},
    "spins": None,
    "listeners": VERSION,
}


def packed(header: str, *lines: str) -> bytes:
    """Make a gzip file whose header is a member of its own."""
    return gzip.compress(header.encode()) + gzip.compress("".join(lines).encode())


def counted(rows: list[tuple[int | None, str, int]]) -> bytes:
    return packed(HEADER, *(f"{'' if code is None else code}\t{kind}\t{spins}\n" for code, kind, spins in rows))


DATASET_FILE, COUNTS_FILE = packed(TITLES), counted(COUNTS)


def fill(root: StoragePath, day: date = DAY) -> None:
    """Complete a day."""
    write_whole(layout.spins_file(root, day), b"PAR1")
    write_whole(layout.listeners_file(root), b"PAR1")
    write_whole(layout.marker(root, day), b"")
    for folder, data in ((layout.dataset_folder, DATASET_FILE), (layout.counts_folder, COUNTS_FILE)):
        write_whole(folder(root, day) / PART, data)
        write_whole(folder(root, day) / "_SUCCESS", b"")


def rows(counts: list[tuple[int | None, str, int]]) -> list[dict]:
    return [{"zip": code, "subscription": kind, "spins": spins} for code, kind, spins in counts]


@pytest.fixture
def client(signed_in):
    app = songs.create_app()
    signed_in(app, "viewer")
    with TestClient(app) as client:
        yield client


@pytest.fixture
def root(home) -> StoragePath:
    return home / "data" / "songs"


@pytest.fixture(params=["local", "s3"])
def full(request) -> StoragePath:
    """Give a root, local or in S3, with one complete day."""
    request.getfixturevalue("home" if request.param == "local" else "s3_storage")
    root = StorageHook().path("songs")
    fill(root)
    return root


class TestDays:
    """`/days` and `/days/{day}`: what is there."""

    def test_without_anything_there_are_no_days(self, client, root):
        assert client.get("/days").json() == {"days": []}
        answer = client.get(URL)
        assert (answer.status_code, answer.json()["detail"]) == (404, "nothing is there of 2019-02-08")

    @pytest.mark.parametrize(
        ("gone", "state"),
        [
            ([], "complete"),
            (["spins"], "complete"),
            (["counts"], "incomplete"),
            (["dataset", "spins", "listeners"], "incomplete"),
            (["dataset", "counts"], "fetched"),
            (["dataset", "counts", "spins"], "waiting"),
            (["dataset", "counts", "listeners"], "waiting"),
            (["dataset", "counts", "marker"], "waiting"),
        ],
    )
    def test_the_state_follows_from_the_files(self, client, root, gone, state):
        fill(root)
        write_json(layout.report_file(root, DAY), REPORT)
        marks = {
            "spins": layout.spins_file(root, DAY),
            "listeners": layout.listeners_file(root),
            "marker": layout.marker(root, DAY),
            "dataset": layout.dataset_folder(root, DAY) / "_SUCCESS",
            "counts": layout.counts_folder(root, DAY) / "_SUCCESS",
        }
        for name in gone:
            marks[name].unlink()
        expected = {"day": "2019-02-08", "state": state} | {
            "spins": "spins" not in gone,
            "listeners": not {"listeners", "marker"} & set(gone),
            "dataset": "dataset" not in gone,
            "counts": "counts" not in gone,
        }
        assert client.get("/days").json() == {"days": [expected]}
        report = client.get(URL).json()
        assert report | expected == report
        assert report["rows"] == (15 if state == "complete" else None)

    def test_a_marker_alone_is_a_day_that_waits(self, client, root):
        write_whole(layout.marker(root, DAY), b"")
        assert client.get(URL).json()["state"] == client.get("/days").json()["days"][0]["state"] == "waiting"

    def test_a_complete_day_has_figures(self, client, full):
        write_json(layout.report_file(full, DAY), REPORT)
        found = client.get(URL).json()
        assert {name: found[name] for name in REPORT if name not in ("spins", "listeners")} == {
            name: value for name, value in REPORT.items() if name not in ("spins", "listeners")
        }
        assert found["inputs"] == {"spins": None, "listeners": VERSION}

    def test_figures_that_nobody_kept_are_null(self, client, root):
        fill(root)
        found = client.get(URL).json()
        assert found["state"] == "complete"
        for name in ("engine", "run_id", "finished_at", "rows", "groups", "minrows", "metrics"):
            assert found[name] is None
        assert found["inputs"] == {"spins": None, "listeners": None}

    def test_days_are_listed_newest_first(self, client, full):
        for day in (date(2018, 12, 31), date(2019, 3, 1), date(2019, 2, 9)):
            write_whole(layout.spins_file(full, day), b"PAR1")
        for query, expected in {
            "": ["2019-03-01", "2019-02-09", "2019-02-08", "2018-12-31"],
            "?limit=2": ["2019-03-01", "2019-02-09"],
            "?year=2019&month=2": ["2019-02-09", "2019-02-08"],
            "?year=2018": ["2018-12-31"],
            "?year=2017": [],
        }.items():
            assert [each["day"] for each in client.get(f"/days{query}").json()["days"]] == expected

    @pytest.mark.parametrize("query", ["month=2", "year=2019&month=13", "year=0", "year=x", "limit=0", "limit=1001"])
    def test_bad_questions_are_refused(self, client, root, query):
        assert client.get(f"/days?{query}").status_code == 422

    def test_a_damaged_report_is_no_fault_of_the_caller(self, client, root):
        fill(root)
        write_whole(layout.report_file(root, DAY), b"{")
        assert client.get(URL).status_code == 503


class TestCounts:
    """`/days/{day}/counts`."""

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, COUNTS),
            ({"zip": 90210}, COUNTS[3:]),
            ({"subscription": "Family"}, [COUNTS[1], COUNTS[3]]),
            ({"subscription": ""}, COUNTS[:1]),
            ({"zip": 90210, "subscription": COUNTS[4][1]}, COUNTS[4:]),
            ({"zip": -1}, []),
        ],
    )
    def test_rows_are_filtered(self, client, full, query, expected):
        answer = client.get(f"{URL}/counts", params=query)
        assert answer.json() == {"day": "2019-02-08", "rows": rows(expected)}

    @pytest.mark.parametrize("code", ["abc", "", "1.5", "2147483648", "902 10"])
    def test_bad_zips_are_refused(self, client, root, code):
        fill(root)
        answer = client.get(f"{URL}/counts", params={"zip": code})
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("zip: ")

    @pytest.mark.parametrize(
        "data",
        [
            COUNTS_FILE[:-5],
            COUNTS_FILE[:40] + b"\xff" * 9 + COUNTS_FILE[49:],
            b"plain",
            packed("a\tb\n"),
            packed(HEADER, "1\tFamily\n"),
            packed(HEADER, "x\tFamily\t1\n"),
            gzip.compress(HEADER.encode() + b"1\t\xff\t1\n"),
        ],
        ids=["cut off", "changed", "not gzip", "another header", "a field too few", "no number", "not UTF-8"],
    )
    def test_a_damaged_file_is_no_fault_of_the_caller(self, client, root, data):
        fill(root)
        write_whole(layout.counts_folder(root, DAY) / PART, data)
        assert client.get(f"{URL}/counts").status_code == 503


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
        write_whole(songs.OUTPUTS[output](full, DAY) / PART, data)
        file, size = results.open_part(full, DAY, songs.OUTPUTS[output])
        assert [len(block) for block in results.blocks(file)] == [1 << 20, 1 << 20, size - (2 << 20)]
        assert client.get(f"{URL}/{output}.csv.gz").content == data

    def test_a_complete_output_has_one_part(self, client, root, output):
        fill(root)
        folder = songs.OUTPUTS[output](root, DAY)
        write_whole(folder / f".{PART}.crc", b"")
        assert client.get(f"{URL}/{output}.csv.gz").status_code == 200
        write_whole(folder / "part-00001.csv.gz", DATASET_FILE)
        answer = client.get(f"{URL}/{output}.csv.gz")
        assert answer.status_code == 503
        assert "found 2" in answer.json()["detail"]
        for name in (PART, "part-00001.csv.gz"):
            (folder / name).unlink()
        assert client.get(f"{URL}/{output}.csv.gz").status_code == 503


@pytest.mark.parametrize("name", ["counts", "counts.csv.gz", "dataset.csv.gz"])
class TestIncompleteOutputs:
    """Nothing is read of a day that is not complete."""

    @pytest.mark.parametrize("output", ["dataset", "counts"])
    def test_nothing_is_given_of_an_incomplete_day(self, client, full, output, name):
        (songs.OUTPUTS[output](full, DAY) / "_SUCCESS").unlink()
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
        real = results._open

        def remade(path: StoragePath):
            for folder in (layout.dataset_folder(root, DAY), layout.counts_folder(root, DAY)):
                (folder / "_SUCCESS").unlink()
                write_whole(folder / PART, b"half of it")
            opened = real(path)
            if complete:
                fill(root)
            return opened

        monkeypatch.setattr(results, "_open", remade)
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
        assert "made anew" in answer.json()["detail"]


class TestBadDays:
    """A day is written in one way."""

    RESTS = ("", "/counts", "/counts.csv.gz", "/dataset.csv.gz")

    @pytest.mark.parametrize(
        "day",
        ["20190208", "2019-02-30", "2019-2-8", "2019-W06-5", "today", "2019-02-08T00:00", "%00", "%ff", "\uff12019"],
    )
    def test_bad_days_are_refused(self, client, root, day):
        fill(root)
        for rest in self.RESTS:
            answer = client.get(f"/days/{day}{rest}")
            assert answer.status_code == 422
            assert answer.json()["detail"].startswith("day: a day as 2019-02-08 was expected, found ")

    @pytest.mark.parametrize("day", ["../x", "..%2fx", "%2e%2e%2f%2e%2e%2fsongs", "%2e%2e", "2019/02/08"])
    def test_nothing_climbs_out(self, client, root, day):
        fill(root)
        for rest in self.RESTS:
            assert client.get(f"/days/{day}{rest}").status_code in (404, 422)


def test_storage_that_cannot_be_read_is_told(client, root):
    root.parent.mkdir(parents=True)
    root.write_text("a file, not a folder")
    answer = client.get("/days")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


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


def test_the_description_names_the_files(client):
    paths = json.loads(client.get("/openapi.json").text)["paths"]
    answers = paths["/days/{day}/dataset.csv.gz"]["get"]["responses"]
    kinds = {status: list(answer["content"]) for status, answer in answers.items()}
    assert kinds.pop("200") == ["application/gzip"]
    assert set(map(tuple, kinds.values())) == {("application/json",)}
    [day] = paths["/days/{day}/counts"]["get"]["parameters"][:1]
    assert (day["name"], day["schema"]["format"]) == ("day", "date")
