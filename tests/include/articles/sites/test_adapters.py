"""Metadata that each kind of site publishes about its articles, read from responses."""

import json
import os
import time
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.articles.sites.adapters import adapter_of
from include.articles.sites.adapters.base import Metadata, PageError, PageRequest, PageResponse, parse_instant
from include.articles.sites.configuration import Site

REPLIES = Path(__file__).with_name("replies")
WCP = Site(name="wcp", kind="washington_city_paper", domain="washingtoncitypaper.com")
RIVER = Site(name="river", kind="wordpress", domain="river.example", path_pattern=r"/\d{4}/(?P<slug>[^/]+)/?(amp/?)?")
POST = json.loads((REPLIES / "wordpress_post.json").read_text())[0]


def page(body: str | bytes, path: str = "/article/101/alpha/", asked: str = "/article/101/alpha/", **reply) -> Metadata:
    """Read a page of Washington City Paper."""
    adapter = adapter_of(WCP)
    external_id = adapter.external_id(asked) or ""
    question = PageRequest(external_id, asked, adapter.target(external_id, asked))
    data = body.encode() if isinstance(body, str) else body
    answer = PageResponse("washingtoncitypaper.com", path, data, **reply)
    return adapter.validate(question, answer, adapter.parse(answer))


def html(title: str = "<header><h1>T</h1></header>", time: str = "2026-03-01T00:00:00Z") -> str:
    return f'<html><head><meta property="article:published_time" content="{time}"></head><body>{title}</body></html>'


def posts(
    *found: Any, asked: str = "/2026/council-votes/", host: str = "river.example", site: Site = RIVER
) -> Metadata:
    """Read a reply of a WordPress site."""
    adapter = adapter_of(site)
    external_id = adapter.external_id(asked) or ""
    question = PageRequest(external_id, asked, adapter.target(external_id, asked))
    answer = PageResponse(host, "/wp-json/wp/v2/posts/", json.dumps(found).encode())
    return adapter.validate(question, answer, adapter.parse(answer))


def kind(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(PageError) as caught:
        call(*arguments, **named)
    return caught.value.kind


def test_a_page_of_washington_city_paper():
    assert page((REPLIES / "wcp_article.html").read_text()) == Metadata(
        "101",
        "Council Votes on Bike Lanes & Buses",
        "/article/101/alpha/",
        datetime(2021, 4, 13, 19, 0, 45, tzinfo=UTC),
    )


def test_a_sponsored_page_is_excluded():
    assert page((REPLIES / "wcp_sponsored.html").read_text()).excluded_reason == "tag_exclude"


@pytest.mark.parametrize(
    "body",
    [
        '<div class="tag-exclude"><header><h1>T</h1></header></div>',
        '<div id="primary" class="tag-exclude"><header><h1>T</h1></header></div>',
        '<div id="primary"><header><h1 class="tag-excluded">T</h1></header></div>',
    ],
)
def test_only_what_is_tagged_within_the_main_part_is_excluded(body):
    assert page(body).excluded_reason is None


def test_the_path_is_the_one_that_the_site_led_to():
    assert (
        page(html(), path="/article/101/a-new-slug/", asked="/article/0101/old/?x=1").path == "/article/101/a-new-slug/"
    )


@pytest.mark.parametrize("path", ["/news/article/101/new-slug/", "/article/101", "/food/article/00101/alpha/"])
def test_an_article_may_have_moved_to_another_section(path):
    found = page(html(), path=path)
    assert (found.external_id, found.path) == ("101", path)


@pytest.mark.parametrize(
    "path",
    ["/article/102/alpha/", "/", "/404", "/news/", "/news/article/102/101/", "/article/1012/alpha/", "/101/alpha/"],
)
def test_a_page_that_led_elsewhere_is_not_the_article(path):
    assert kind(page, html(), path=path) == "not_an_article"


@pytest.mark.parametrize(
    "title", ["", "<h1>T</h1>", "<header><h2>T</h2></header>", "<header><h1> \n&nbsp;</h1></header>"]
)
def test_a_page_without_a_title_is_refused(title):
    assert kind(page, html(title)) == "no_title"


@pytest.mark.parametrize("time", ["", "yesterday", "2026-03-01", "2026-03-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_a_time_that_cannot_be_read_is_missing(time):
    assert page(html(time=time)).published_at is None
    assert page("<header><h1>T</h1></header>").published_at is None


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/article/101/alpha/", "/article/101/alpha/"),
        ("/v/s/washingtoncitypaper.com/article/101/alpha/", "/article/101/alpha/"),
        ("/c/s/washingtoncitypaper.com/article/101/alpha/?amp=1", "/article/101/alpha/?amp=1"),
    ],
)
def test_the_site_is_asked_for_the_page_itself_not_for_that_of_a_cache(path, target):
    assert adapter_of(WCP).target("101", path) == target


@pytest.mark.parametrize(
    ("body", "charset", "title"),
    [
        ("Café".encode(), "utf-8", "Café"),
        ("Café".encode("latin-1"), "iso-8859-1", "Café"),
        ("Café".encode("latin-1"), None, "Caf\ufffd"),
        ("Café".encode(), "klingon", "Café"),
        ("Café".encode(), "hex", "Café"),
        (b"a\0b", None, "ab"),
    ],
)
def test_text_is_read_as_the_headers_say(body, charset, title):
    assert page(b"<header><h1>" + body, charset=charset).title == title


def test_the_first_bytes_of_a_page_say_more_than_the_headers():
    assert page("<header><h1>Café</h1></header>".encode("utf-8-sig"), charset="iso-8859-1").title == "Café"


def test_text_is_read_as_the_page_says():
    body = '<meta charset="windows-1252"><header><h1>Café</h1></header>'.encode("cp1252")
    assert page(body).title == "Café"


def test_a_title_has_an_end_and_a_path_is_not_too_long():
    assert page(html(f"<header><h1>{'x' * 5_000}</h1></header>")).title == "x" * 1_000
    assert kind(page, html(), path=f"/article/101/{'x' * 2_000}") == "not_an_article"


@given(
    st.binary(max_size=300), st.sampled_from([None, "utf-8", "utf-16", "utf-7", "cp1252", "hex", "idna", "undefined"])
)
def test_any_bytes_are_a_page_with_a_title_that_a_database_takes_or_without_one(body, charset):
    with suppress(PageError):
        title = page(b"<header><h1>" + body, charset=charset).title
        assert title.encode()
        assert "\0" not in title


@pytest.mark.real_data
def test_saved_pages_of_many_sites_are_read_without_an_exception():
    files = sorted(Path(os.environ["QUARTET_REAL_DATA"], "html_articles").rglob("*.html"))
    dated = titled = 0
    for file in files:
        found: Any = adapter_of(WCP).parse(PageResponse("x", "/", file.read_bytes()))
        assert found.published_at is None or found.published_at.utcoffset() == timedelta(0)
        dated, titled = dated + (found.published_at is not None), titled + bool(found.title.strip())
    assert len(files) > 150
    assert dated > 10
    assert titled > 10


def test_a_post_of_a_wordpress_site():
    assert posts(POST) == Metadata(
        "council-votes",
        "Council\u2019s Vote & What It Means",
        "/2026/council-votes/",
        datetime(2026, 3, 1, 17, 30, tzinfo=UTC),
    )


def test_posts_are_asked_for_by_slug():
    assert adapter_of(RIVER).target("caf%c3%a9", "/2026/caf%c3%a9/") == (
        "/wp-json/wp/v2/posts/?slug=caf%C3%A9&_fields=id,date_gmt,modified_gmt,slug,status,type,link,title"
    )
    spanish = RIVER.model_copy(update={"lang": "es"})
    assert "slug=x&lang=es&_fields" in adapter_of(Site(**spanish.model_dump())).target("x", "/2026/x/")


@pytest.mark.parametrize(
    ("asked", "host"),
    [
        ("/2026/council-votes", "river.example"),
        ("/2026/council-votes/?fbclid=1", "river.example"),
        ("/2026/council-votes/amp/", "river.example"),
        ("/2026/council-votes/", "127.0.0.1"),  # a copy: links still name the site
    ],
)
def test_forms_of_the_same_address_are_accepted(asked, host):
    assert posts(POST, asked=asked, host=host).path == "/2026/council-votes/"


def test_a_copy_may_name_itself():
    assert posts(POST | {"link": "http://127.0.0.1:8000/2026/council-votes/"}, host="127.0.0.1").path


def test_an_address_may_be_encoded_in_either_way():
    post = POST | {"slug": "caf%c3%a9", "link": "https://river.example/2026/caf%c3%a9/"}
    for asked in ("/2026/caf%C3%A9/", "/2026/café/"):
        assert posts(post, asked=asked).external_id == "caf%c3%a9"


DOCUMENTED = RIVER.model_copy(update={"path_pattern": r"/\d{4}/\d{2}/(?P<slug>[^/]+)/?"})


@pytest.mark.parametrize(
    "asked",
    [
        "/2026/03/council-votes/",
        "/2026/03/council-votes/amp/",
        "/2026/03/council-votes/amp",
        "/2026/03/council-votes/?amp=1",
        "/c/s/river.example/2026/03/council-votes/amp/",
        "/v/s/www.river.example/2026/03/council-votes",
        "/c/s/River.Example/2026/03/council-votes/?usqp=mq331",
        "/2026/03/Council-Votes/",
        "/2026/03/COUNCIL%2DVOTES/amp/",
    ],
)
@pytest.mark.parametrize("prefix", ["", "(?:/[cv]/s/[^/]+)?"])
def test_copies_of_a_post_and_capitals_are_the_post(asked, prefix):
    site = DOCUMENTED.model_copy(update={"path_pattern": f"{prefix}{DOCUMENTED.path_pattern}"})
    post = POST | {"link": "https://river.example/2026/03/council-votes/"}
    found = posts(post, asked=asked, site=site)
    assert (found.external_id, found.path) == ("council-votes", "/2026/03/council-votes/")


@pytest.mark.parametrize("path", ["/c/s/lake.example/2026/03/s/", "/v/s/evilriver.example/2026/03/s/amp/"])
@pytest.mark.parametrize("prefix", ["", "(?:/[cv]/s/[^/]+)?"])
def test_the_copy_of_another_site_is_no_post(path, prefix):
    site = DOCUMENTED.model_copy(update={"path_pattern": f"{prefix}{DOCUMENTED.path_pattern}"})
    assert adapter_of(site).external_id(path) is None


def test_a_post_may_be_about_amp():
    assert adapter_of(DOCUMENTED).external_id("/2026/03/amp/") == "amp"
    assert adapter_of(DOCUMENTED).external_id("/2026/03/amp/amp/") == "amp"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("encode", [quote, lambda text: quote(text).lower(), str, str.upper])
def test_a_slug_may_be_written_in_any_form(form, encode):
    slug = unicodedata.normalize(form, "café-한국-приказ")
    post = POST | {"slug": quote("café-한국-приказ").lower(), "link": f"https://river.example/2026/{slug}/"}
    assert posts(post, asked=f"/2026/{encode(slug)}/").external_id == quote("café-한국-приказ").lower()


@pytest.mark.parametrize(
    "found",
    [
        [POST, POST],
        [POST | {"type": "page"}],
        [POST | {"status": "draft"}],
        [POST | {"slug": "council-votes-2"}],
        [POST | {"slug": None}],
        [{key: value for key, value in POST.items() if key != "status"}],
        [POST | {"link": "https://river.example/2025/council-votes/"}],
        [POST | {"link": "https://[river/2026/council-votes/"}],
    ],
)
def test_what_is_not_the_post_at_the_path_is_refused(found):
    assert kind(posts, *found) == "not_an_article"


@pytest.mark.parametrize("link", ["https://elsewhere.example/2026/council-votes/", "/2026/council-votes/", "", None, 7])
def test_a_link_to_another_site_says_nothing_about_the_path(link):
    assert kind(posts, POST | {"link": link}) == "wrong_site"


def test_no_post_is_told_from_a_wrong_one():
    assert kind(posts) == "not_found"


@pytest.mark.parametrize("title", [None, {}, {"rendered": None}, {"rendered": " "}, {"rendered": "<b></b>"}])
def test_a_post_needs_a_title(title):
    assert kind(posts, POST | {"title": title}) == "no_title"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-03-01T17:30:00", datetime(2026, 3, 1, 17, 30, tzinfo=UTC)),
        ("2026-03-01T17:30:00Z", datetime(2026, 3, 1, 17, 30, tzinfo=UTC)),
        ("0000-00-00T00:00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_times_of_wordpress_are_utc(time, expected):
    assert posts(POST | {"date_gmt": time}).published_at == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_not_a_list_of_posts_is_refused(body):
    assert kind(adapter_of(RIVER).parse, PageResponse("river.example", "/", body)) == "bad_json"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2)))
def test_a_post_with_any_values_is_read_or_refused(value):
    for key in POST:
        with suppress(PageError):
            found = posts(POST | {key: value, "title": {"rendered": value if isinstance(value, str) else "T"}})
            assert (found.title + found.path).encode()


@pytest.mark.parametrize(
    "text", [None, 7, "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-03-01T00:00:00"]
)
def test_what_is_no_instant_of_utc_is_none(text):
    assert parse_instant(text) is None


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_an_instant_is_the_same_in_utc(local, minutes):
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    found = parse_instant(moment.isoformat())
    assert found == moment
    assert found is not None
    assert found.utcoffset() == timedelta(0)


def titled(title: str, encoding: str) -> bytes:
    return f"<header><h1>{title}</h1></header>".encode(encoding)


@pytest.mark.parametrize(
    ("label", "title", "encoding"),
    [
        ("gb2312", "镕基朱", "gbk"),
        ("GBK", "镕基朱", "gb18030"),
        ("shift_jis", "①髙橋", "cp932"),
        ("x-sjis", "①髙橋", "cp932"),
        ("euc-jp", "①橋", "euc_jis_2004"),
        ("euc-kr", "똠방각하", "cp949"),
        ("ks_c_5601-1987", "똠방각하", "cp949"),
        ("big5", "香港嘅", "big5hkscs"),
        ("iso-8859-1", "“Café” • 5 €", "cp1252"),
        ("us-ascii", "“Café” • 5 €", "cp1252"),
        ("latin1", "“Café” • 5 €", "cp1252"),
        ("iso-8859-9", "Şişli…", "cp1254"),
        ("tis-620", "ข่าว…", "cp874"),
        ("unicode-1-1-utf-8", "Café", "utf-8"),
    ],
)
def test_labels_of_charsets_mean_what_they_mean_to_browsers(label, title, encoding):
    body = titled(title, encoding)
    assert page(body, charset=label).title == title
    for declared in (
        f'<meta charset="{label}">',
        f"<META CharSet = '{label}' />",
        f'<meta content="text/html; charset={label}" http-equiv="Content-Type">',
        f'<?xml version="1.0" encoding="{label}"?>',
    ):
        assert page(declared.encode() + body).title == title
        assert page(declared.encode() + body, charset="klingon").title == title


@pytest.mark.parametrize(
    "declared",
    [
        "<!-- <meta charset=gb2312> -->",
        '<meta name="description" content="how to write charset=gb2312">',
        '<meta charset="klingon"><meta charset="utf-8"><meta charset="gb2312">',
        '<meta charset="utf-16">',
    ],
)
def test_what_does_not_declare_a_charset_is_not_taken_for_it(declared):
    assert page(declared.encode() + titled("Café", "utf-8")).title == "Café"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_counts_before_headers_and_page(encoding):
    assert page(
        f'<meta charset="gb2312">{html("<header><h1>Café</h1></header>")}'.encode(encoding), charset="big5"
    ) == (page(html("<header><h1>Café</h1></header>")))


MARCH = datetime(2026, 3, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "metas",
    [
        '<meta property="article:published_time" content=""><meta property="article:published_time" content="{}">',
        '<meta property="article:published_time"><meta name="article:published_time" content="{}">',
        '<meta name="article:published_time" content="{}">',
        '<META PROPERTY="Article:Published_Time" CONTENT=" {} ">',
        '<meta property="article:published_time" content="0000-00-00T00:00:00+00:00">'
        '<meta property="article:published_time" content="{}">'
        '<meta property="article:published_time" content="2026-03-05T00:00:00Z">',
    ],
)
@pytest.mark.parametrize("time", ["2026-03-01T08:00:00-05:00", "2026-03-01T13:00:00z", "20260301T130000+0000"])
def test_the_first_time_that_can_be_read_counts(metas, time):
    assert page(f"{metas.format(time)}<header><h1>T</h1></header>").published_at == MARCH


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00Z",
        "-0001-11-30T00:00:00+00:00",
        "1970-01-01T00:00:00Z",
        "1970-01-01T01:00:00+01:00",
        "9999-12-31T23:59:59Z",
    ],
)
def test_times_that_stand_for_none_are_missing(time):
    assert page(html(time=time)).published_at is None
    assert posts(POST | {"date_gmt": time}).published_at is None


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-03-08T02:30:00-05:00", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),  # no such time of day in New York
        ("2026-11-01T01:30:00-04:00", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # the first of two
        ("2026-11-01T01:30:00-05:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("2026-09-06T00:00:00-04:00", datetime(2026, 9, 6, 4, tzinfo=UTC)),  # Chile's day begins at 1 o'clock
        ("2026-03-01T08:00:00.1234567-05:00", MARCH.replace(microsecond=123456)),
        ("2026-03-01T18:45:00+05:45", MARCH),
        ("1890-01-01T00:00:00Z", datetime(1890, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_offset_counts_on_any_day(time, expected):
    assert page(html(time=time)).published_at == expected


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("\n  Mayor\n        Quits &amp; Runs\n", "Mayor Quits & Runs"),
        ("Mayor<br>Quits", "Mayor Quits"),
        ("Mayor<br />\n<br/>Quits", "Mayor Quits"),
        ("Mayor&nbsp;&nbsp;Quits&#10;&#x2003;Today", "Mayor Quits Today"),
        ("<div>Mayor</div><div>Quits</div>", "Mayor Quits"),
        ("<span>Mayor</span><span>Quits</span>", "Mayor Quits"),
        ('<span class="kicker">Opinion</span>Mayor quits', "Opinion Mayor quits"),
        ("<span>Mayor </span> <span> quits</span>", "Mayor quits"),
        ("<span>M</span>ayor quits", "Mayor quits"),
        ("“<span>Mayor</span>-elect<span>: no</span>”", "“Mayor-elect: no”"),
        ("<em>May</em>or <b>q</b>uits<wbr>ilently", "Mayor quitsilently"),
        ("Mayor<script>var a</script><style>h1 {}</style> quits", "Mayor quits"),
    ],
)
def test_a_title_is_one_line_with_single_spaces(heading, title):
    assert page(html(f"<header><h1>{heading}</h1></header>")).title == title
    assert posts(POST | {"title": {"rendered": heading}}).title == title


@pytest.mark.parametrize(
    "unit",
    ["<div>", "<DIV class='tag-exclude' >", "<div><h1>", "<header><h1><span>", "<rt>", "<div></b>", "<p><button>"],
)
def test_a_page_that_is_nested_without_end_takes_no_time(unit):
    began = time.process_time()
    assert kind(page, unit * (5_000_000 // len(unit))) == "too_large"
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "body", ["<p>", "<li>a", "<img src=x>", "<div>a</div>", "<svg><path d='M0'/></svg>", "a < b <1"]
)
def test_a_long_page_is_no_deep_one(body):
    assert page(html() + body * 5_000).title == "T"


@pytest.mark.parametrize("inside", ["<span>ab</span>", "<span>ab", "<br>", "ab ", "<b>a</b>"])
def test_a_heading_without_end_takes_no_time(inside):
    long = f"Title {inside * (900 if inside == '<span>ab' else 300_000)}"
    began = time.process_time()
    assert page(html(f"<header><h1>{long}</h1></header>")).title.startswith("Title")
    assert posts(POST | {"title": {"rendered": long}}).title.startswith("Title")
    assert time.process_time() - began < 4
