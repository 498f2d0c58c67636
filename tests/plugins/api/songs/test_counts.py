"""`/days/{day}/counts`."""

import gzip

import pytest

from include.core.storage import write_whole
from include.songs import layout
from tests.plugins.api.songs.content import COUNTS, COUNTS_FILE, DAY, HEADER, PART, URL, fill, packed, rows


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
def test_rows_are_filtered(client, full, query, expected):
    answer = client.get(f"{URL}/counts", params=query)
    assert answer.json() == {"day": "2019-02-08", "rows": rows(expected)}


@pytest.mark.parametrize("code", ["abc", "", "1.5", "2147483648", "902 10"])
def test_bad_zips_are_refused(client, root, code):
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
        gzip.compress(HEADER.encode() + b"1\t\xff\t1\n", mtime=0),
    ],
    ids=["cut off", "changed", "not gzip", "another header", "a field too few", "no number", "not UTF-8"],
)
def test_a_damaged_file_is_no_fault_of_the_caller(client, root, data):
    fill(root)
    write_whole(layout.counts_folder(root, DAY) / PART, data)
    assert client.get(f"{URL}/counts").status_code == 503
