"""Patterns of paths: bounded, whatever the pattern and the path."""

import time
from contextlib import suppress

import pytest

from include.articles.sites import patterns
from include.articles.sites.adapters import adapter_of
from include.articles.sites.configuration import Site
from include.articles.sites.files import SitesError
from include.articles.sites.patterns import PathPattern, check_pattern

GOOD = [
    r"/\d{4}/\d{2}/(?P<slug>[^/]+)/?",
    r"/\d{4}/(?P<slug>[^/]+)/?(amp/?)?",
    r"(?:/[cv]/s/[^/]+)?/\d{4}/\d{2}/(?P<slug>[^/]+)/?",
    r"(?:/[^/]+)*/(?P<slug>[^/]+)/?",
    r"/news/(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)/",
    r"/(?!tag|author)(?P<slug>[^/]+)/?",
    r".*/(?P<slug>[^/]+)\.html",
    r"/(?P<slug>.+)/?",
]
SLOW = [r"/(?P<slug>(a|a)*)b", r"/\d{4}/(?P<slug>(([0-9])+)+)-", r"/news/(?P<slug>(ab|a|b)+)!", r"/(?P<slug>(a|aa)+)b"]


@pytest.mark.parametrize("pattern", GOOD)
def test_patterns_as_sites_have_them_are_taken(pattern):
    began = time.process_time()
    check_pattern.__wrapped__(pattern)
    assert time.process_time() - began < 1  # a DAG file does this


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_tries_everything_is_refused(pattern):
    began = time.process_time()
    with pytest.raises(ValueError, match=r"without nested repeats such as \(a\+\)\+ was expected: '/.* a path of 50"):
        Site(name="river", kind="wordpress", domain="river.example", path_pattern=pattern)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("pattern", ["(", "(?P<slug>a", "(?P<slug>" + "(" * 5_000, "(?P<1>a)", "a{2,1}"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(ValueError, match="a regular expression was expected: "):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"/(?P<slug>(a+)+)$", r"/(?P<slug>(\w+\s?)*)\.html", *SLOW])
def test_no_path_keeps_a_worker_busy(monkeypatch, pattern):
    monkeypatch.setattr(patterns, "MATCH_SECONDS", 0.2)
    began = time.process_time()
    with suppress(SitesError):
        assert PathPattern(pattern, "river").group(f"/{'a' * 1_900}!", "slug") is None
    assert time.process_time() - began < 2


def test_a_match_that_takes_too_long_names_site_pattern_and_path(monkeypatch):
    monkeypatch.setattr(patterns, "MATCH_SECONDS", 0.1)
    message = r"site river, path_pattern: '/\(\?P.* takes more than 0.1 s for the path '/aaa.* of 1900 characters"
    with pytest.raises(SitesError, match=message):
        PathPattern(SLOW[0], "river").group(f"/{'a' * 1_899}", "slug")


def test_a_path_without_end_is_no_article():
    site = Site(name="river", kind="wordpress", domain="river.example", path_pattern=r"/(?P<slug>[^/]+)/?")
    river = adapter_of(site)
    assert river.external_id(f"/{'a' * 200}/") == "a" * 200
    assert river.external_id(f"/{'%61' * 200}/?{'x' * 100_000}") == "a" * 200
    assert river.external_id(f"/{'%61' * 700}/") is None
    assert PathPattern(r"/(?P<slug>.+)").group("/" + "x" * 2_000, "slug") is None
