"""Whose events are a site's own in an archive that several sites share."""

import pytest

from include.articles.events import extracts
from include.articles.events.hosts import Hosts
from include.articles.events.records import Rows
from include.core.storage import StoredObject
from tests.include.articles.archive import lines, put, record

RIVER = Hosts(["river.example", "127.0.0.1", "", "www.old-river.example"])


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("river.example", True),
        ("www.river.example", True),
        ("News.River.Example:443", True),
        ("river.example.", True),
        ("127.0.0.1:8080", True),
        ("old-river.example", True),
        ("river-example.cdn.ampproject.org", True),
        ("www-river-example.cdn.ampproject.org", True),
        ("old--river-example.translate.goog", True),
        ("cdn.ampproject.org", True),  # whose path names the site
        ("a3b5c7.cdn.ampproject.org", True),
        ("", True),
        ("lake.example", False),
        ("evilriver.example", False),
        ("river.example.evil.example", False),
        ("lake-example.cdn.ampproject.org", False),
        ("river-example.evilampproject.org", False),
        ("::1", False),
    ],
)
def test_a_site_is_read_on_its_hosts_and_their_copies(host, own):
    assert RIVER.include(host) is own


def on(host: object, client: str | None = "amp-1") -> dict:
    return record(client) | {"page_urlhost": host}


def test_records_of_other_hosts_are_left_out():
    found = [on("river.example"), on("lake.example"), on("lake.example", None), on(None), on(7), on([]), record()]
    for hosts, rows in ((RIVER, 5), (None, 6)):
        kept = Rows(hosts)
        kept.add_lines(lines(found).splitlines())
        assert (kept.lines, len(kept.take()), kept.bad_lines, kept.anonymous) == (7, rows, 0, int(hosts is None))


def test_each_site_has_its_own_extract_of_an_object(tmp_path):
    put(tmp_path, "a.gz", [on("river.example"), on("lake.example"), on("lake.example", None), b"{"])
    stored = StoredObject("a.gz", 10, 1.0)
    keys = {extracts.key_of("enriched/good/2026/03/10/a.gz", stored, hosts) for hosts in (None, RIVER, Hosts(["x"]))}
    assert len(keys) == 3
    made = extracts.make(tmp_path / "a.gz", min(keys), tmp_path, RIVER)
    assert made
    assert (made.rows, made.lines, made.bad_lines, made.anonymous, made.foreign) == (1, 4, 1, 0, 2)
