"""Which result tables the rows of a source go to."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.audience.settings import SOURCE_MAP
from include.audience.source import source_map
from include.audience.source.source_map import TABLES, SourceMap, SourceMapError, parse, read


@pytest.fixture(scope="module")
def shipped() -> SourceMap:
    return read(SOURCE_MAP)


def names(mapping: SourceMap, s_id: str) -> list[str]:
    return [mapping.tables[index] for index in mapping.tables_of(s_id)]


def test_the_shipped_map_has_all_tables_in_their_order(shipped):
    assert shipped.tables == TABLES
    assert len(TABLES) == 17


def test_the_shipped_map_has_702_entries_for_701_sources(shipped):
    assert sum(len(s_ids) for s_ids in shipped.members) == 702
    assert len(shipped.s_ids) == len(set(shipped.s_ids)) == 701
    assert {table: len(s_ids) for table, s_ids in zip(shipped.tables, shipped.members, strict=True)} == {
        **dict.fromkeys(TABLES, 1),
        "Comment": 5,
        "blog": 43,
        "forum": 171,
        "news": 470,
    }


@pytest.mark.parametrize(
    ("s_id", "tables"),
    [
        ("WH_F0045", ["fbfans"]),
        ("WH_F0072", ["fbpm"]),
        ("WH_F0116", ["Dcard", "forum"]),
        ("wh_v001", ["video"]),
        ("WH_V001", []),
        ("wh_f0045", []),
        ("WH_NI001", ["news"]),
        ("WH_F0045 ", []),
        ("", []),
    ],
)
def test_the_tables_of_a_source(shipped, s_id, tables):
    assert names(shipped, s_id) == tables


def test_the_tables_of_a_source_are_in_file_order():
    mapping = parse('{"news": ["b", "a"], "blog": ["a"]}', "m.json")
    assert mapping.tables == ("news", "blog")
    assert mapping.tables_of("a") == (0, 1)
    assert mapping.s_ids == ("b", "a")


def test_a_source_named_twice_for_a_table_counts_once():
    assert parse('{"news": ["a", "a"]}', "m.json").tables_of("a") == (0,)


def test_sources_in_several_tables_are_logged_once(caplog):
    with caplog.at_level(logging.INFO, source_map.__name__):
        read(SOURCE_MAP)
    assert caplog.messages == ["source_map.json: rows of WH_F0116 are written to several tables: Dcard, forum"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.json, line 1: JSON was expected"),
        ('{\n"news": [}', "m.json, line 2: JSON was expected"),
        ("[" * 100_000, "m.json: JSON was expected"),
        ("[]", "m.json: an object with a list for each table was expected, found a list of 0"),
        ("{}", "m.json: an object with a list for each table was expected, found an object of 0"),
        ('{"news": "a"}', "m.json, news: a list of s_ids was expected, found 'a'"),
        ('{"news": ["a", ""]}', "m.json, news: a non-empty string was expected, found ''"),
        ('{"news": [1]}', "m.json, news: a non-empty string was expected, found 1"),
        ('{"news": [], "news": []}', "m.json: distinct tables were expected, found 'news' twice"),
        ('{"News": []}', "m.json: a table of Comment, Dcard, .* was expected, found 'News'"),
        ('{"news; DROP": []}', "was expected, found 'news; DROP'"),
    ],
)
def test_what_is_no_map_is_refused(text, message):
    with pytest.raises(SourceMapError, match=message):
        parse(text, "m.json")


def test_a_file_that_cannot_be_read_is_named_without_its_folder(tmp_path):
    path = tmp_path / "map.json"
    with pytest.raises(SourceMapError, match=r"^map\.json: a readable file was expected, found: No such file"):
        read(path)
    path.write_bytes(b'{"news": ["\xff"]}')
    with pytest.raises(SourceMapError, match=r"^map\.json: UTF-8 text was expected"):
        read(path)


def test_a_byte_order_mark_does_not_matter(tmp_path):
    path = tmp_path / "map.json"
    path.write_bytes(b'\xef\xbb\xbf{"news": ["a"]}')
    assert read(path).tables_of("a") == (0,)


def test_the_checksum_is_of_the_content_not_of_its_form(shipped, tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps(json.loads(SOURCE_MAP.read_text()), indent=4))
    assert read(path).checksum == shipped.checksum
    path.write_text('{"blog": ["a"], "news": ["b"]}')
    other = '{"news": ["b"], "blog": ["a"]}'
    assert read(path).checksum != parse(other, "m.json").checksum  # the order of tables counts


@given(st.dictionaries(st.sampled_from(TABLES), st.lists(st.text(min_size=1), unique=True), min_size=1))
def test_json_is_read_back(content):
    mapping = parse(json.dumps(content), "m.json")
    again = parse(mapping.as_json(), "again")
    assert again == mapping
    assert again.checksum == mapping.checksum
    assert dict(zip(mapping.tables, map(list, mapping.members), strict=True)) == content
