"""Rule sets: which texts belong to which panel."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.audience.rules.files import parse_csv, read
from include.audience.rules.ruleset import (
    MATCH_TYPES,
    MODEL_TYPES,
    PREDICT_TYPES,
    Pattern,
    Rules,
    RulesError,
    check_types,
)
from include.audience.settings import RULES

HEADER = "panel,keyword,match_type\n"


def keywords(text: str) -> Rules:
    return parse_csv(HEADER + text, "keyword_model", "author_name", "rules.csv")


def regexes(text: str) -> Rules:
    return parse_csv("panel,pattern\n" + text, "rule_model", "content", "rules.csv")


def put(folder: Path, name: str, content: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize(
    ("predict_type", "expected"),
    [("author_name", "author_name"), ("author", "author_name"), ("content", "content"), ("s_area_id", "s_area_id")],
)
def test_predict_types_and_their_synonym(predict_type, expected):
    assert check_types("keyword_model", predict_type) == expected


@pytest.mark.parametrize("predict_type", ["title", "Author", "", "absolutely", "../author_name"])
def test_other_predict_types_are_refused(predict_type):
    with pytest.raises(RulesError, match="predict type author_name, content or s_area_id was expected, found "):
        check_types("keyword_model", predict_type)


def test_fields_are_taken_as_they_are():
    assert keywords('/male, bin ,partially\nfemale,"a ""b"",\tc",end\n').patterns == (
        Pattern("male", " bin ", ("partially",)),
        Pattern("female", 'a "b",\tc', ("end",)),
    )


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("absolutely", ("exactly",)),
        ("exactly", ("exactly",)),
        ('"start,end"', ("start", "end")),
        ('"end, start"', ("start", "end")),
        ('"absolutely,exactly,partially,end"', ("partially", "end", "exactly")),
    ],
)
def test_match_types_are_put_into_one_form(written, read_as):
    assert keywords(f"/female,lily,{written}\n").patterns[0].match_types == read_as


def test_nothing_is_kept_twice():
    rules = keywords(
        "/female,Lily,exactly\nfemale,lily,absolutely\n/female,lily,start\n/male,lily,exactly\n/female,lily ,exactly\n"
    )
    assert [(pattern.panel, pattern.text, *pattern.match_types) for pattern in rules.patterns] == [
        ("female", "Lily", "exactly"),
        ("female", "lily", "start"),
        ("male", "lily", "exactly"),
        ("female", "lily ", "exactly"),
    ]
    assert len(regexes("young,A\nyoung,a\nyoung,A\n").patterns) == 2


def test_panels_are_ascending():
    rules = keywords("/young,c,end\n/male,b,end\nfemale,a,end\nmale,a,end\n")
    assert rules.panels == ("/female", "/male", "/young")


def test_blank_lines_are_skipped_and_line_ends_do_not_matter():
    text = "\ufeffpanel,keyword,match_type\r\n\r\n  \r\n/male,tom,start\r\n\r\n/male,ben,end"
    rules = parse_csv(text, "keyword_model", "author", "rules.csv")
    assert [pattern.text for pattern in rules.patterns] == ["tom", "ben"]
    assert rules.predict_type == "author_name"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "/female,a,end\n/male,b,contains\n",
            r"^rules\.csv, line 3: match type partially, start, end, exactly or absolutely was expected, "
            r"found 'contains'$",
        ),
        ("/male,b,Start\n", "line 2: match type .* found 'Start'"),
        ('/male,b,"start,"\n', "line 2: match type .* found ''"),
        ("/male,b,\n", "line 2: match type .* found ''"),
        ("/male,,start\n", "line 2: a keyword was expected, found an empty one"),
        (",b,start\n", "line 2: panel: 1 to 199 characters .* found ''"),
        ("/,b,start\n", "line 2: panel: "),
        (f"/{'p' * 200},b,start\n", "line 2: panel: "),
        ('"/ma\nle",b,start\n', "line 2: panel: "),
        (" male,b,start\n", "line 2: panel: .* found ' male'"),
        ("/male,b\n", r"line 2: 3 fields \(panel, keyword, match_type\) were expected, found 2"),
        ("/male,b,start,end\n", "line 2: 3 fields .* found 4"),
        ('\n/male,"x\ny\nz",start\n\n/male,"b\nc",never\n', "line 7: match type"),
        ('/male,"b"c,start\n', "line 2: CSV was expected: "),
        ('/male,a,end\n/male,"b,start\n', "line 3: CSV was expected: unexpected end of data"),
        ("", r"^rules\.csv: at least one pattern was expected, found none$"),
    ],
)
def test_a_bad_line_is_named(text, message):
    with pytest.raises(RulesError, match=message):
        keywords(text)


@pytest.mark.parametrize("pattern", ["(", "[a", "*a", "a{99999999999999999999}", r"\1", "(?P<n>a)(?P<n>b)", "(?z)a"])
def test_a_bad_regular_expression_is_named(pattern):
    with pytest.raises(RulesError, match=r"^rules\.csv, line 3: a regular expression was expected, found "):
        regexes(f'/young,a\n/young,"{pattern}"\n')


def test_an_empty_regular_expression_is_refused():
    with pytest.raises(RulesError, match="line 2: a pattern was expected, found an empty one"):
        regexes("/young,\n")


@pytest.mark.parametrize("text", ["", "/male,tom,start\n", "keyword,panel,match\n", "panel,pattern\n"])
def test_the_header_is_needed(text):
    with pytest.raises(RulesError, match="line 1: the header panel,keyword,match_type was expected, found "):
        parse_csv(text, "keyword_model", "author_name", "rules.csv")


def test_a_csv_file_is_read(tmp_path):
    put(tmp_path, "rule_model/content.csv", "\ufeffpanel,pattern\n/young,工作.?年\n")
    assert read(tmp_path, "rule_model", "content").patterns == (Pattern("young", "工作.?年"),)


def test_text_files_are_read_when_there_is_no_csv(tmp_path):
    put(tmp_path, "keyword_model/male/author_name.txt", "\ufeffTom\tstart\r\n\r\n bin \tstart,absolutely\r\n")
    put(tmp_path, "keyword_model/female/author_name.txt", "Lily\tpartially")
    put(tmp_path, "keyword_model/young/content.txt", "ignored\tpartially")
    rules = read(tmp_path, "keyword_model", "author")
    assert rules.patterns == (
        Pattern("female", "Lily", ("partially",)),
        Pattern("male", "Tom", ("start",)),
        Pattern("male", " bin ", ("start", "exactly")),
    )
    put(tmp_path, "keyword_model/author_name.csv", HEADER + "/male,ben,end\n")
    assert [pattern.text for pattern in read(tmp_path, "keyword_model", "author").patterns] == ["ben"]


def test_text_files_of_regular_expressions_need_no_tab(tmp_path):
    put(tmp_path, "rule_model/young/content.txt", "工作.年\n\na\tb\n")
    patterns = read(tmp_path, "rule_model", "content").patterns
    assert patterns == (Pattern("young", "工作.年"), Pattern("young", "a\tb"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tend\nb\n", r"line 2: 3 fields \(panel, keyword, match_type\) were expected, found 2"),
        ("a\tend\n\n\tstart\n", "line 3: a keyword was expected, found an empty one"),
        ("a\tb\tstart\n", "line 1: 3 fields .* found 4"),
        ("a\tcontains\n", "line 1: match type .* found 'contains'"),
        (b"a\tend\n\xff\tend\n", "line 2: UTF-8 text was expected, found the byte 0xff"),
    ],
)
def test_a_bad_line_of_a_text_file_is_named(tmp_path, content, message):
    put(tmp_path, "keyword_model/male/author_name.txt", content)
    with pytest.raises(RulesError, match=f"^keyword_model/male/author_name.txt, {message}"):
        read(tmp_path, "keyword_model", "author_name")


def test_a_missing_or_empty_rule_set_is_refused(tmp_path):
    with pytest.raises(RulesError, match=r"^keyword_model/content\.csv: a rule set was expected") as caught:
        read(tmp_path, "keyword_model", "content")
    assert str(tmp_path) not in str(caught.value)
    put(tmp_path, "keyword_model/male/content.txt", "\n \n")
    with pytest.raises(RulesError, match=r"^keyword_model/\*/content\.txt: at least one pattern was expected"):
        read(tmp_path, "keyword_model", "content")
    put(tmp_path, "keyword_model/content.csv", "")
    with pytest.raises(RulesError, match=r"^keyword_model/content\.csv, line 1: the header"):
        read(tmp_path, "keyword_model", "content")


def test_a_file_that_cannot_be_read_is_named_without_its_folder(tmp_path):
    (tmp_path / "keyword_model/content.csv").mkdir(parents=True)
    with pytest.raises(RulesError, match=r"^keyword_model/content\.csv: a readable file was expected, found: Is a"):
        read(tmp_path, "keyword_model", "content")


@pytest.mark.parametrize(
    ("model_type", "predict_type"),
    [
        ("../keyword_model", "author_name"),
        ("", "content"),
        ("keyword_model", "../author_name"),
        ("rule_model", "title"),
    ],
)
def test_unknown_types_are_refused_before_a_file_is_looked_for(model_type, predict_type):
    with pytest.raises(RulesError, match=r"type .* was expected, found "):
        read(None, model_type, predict_type)  # type: ignore[arg-type]  # a look at the folder would fail


KEYWORDS = st.text(st.characters() | st.sampled_from(' ",\t\r\n\0\ufeff\ud800İß'), min_size=1, max_size=8)
LABELS = st.text(st.sampled_from("ab/,\"'男 é"), min_size=1, max_size=5).map(str.strip).filter(bool)
TYPES = st.sets(st.sampled_from(MATCH_TYPES), min_size=1).map(lambda types: sorted(types, key=MATCH_TYPES.index))


@given(st.lists(st.tuples(LABELS, KEYWORDS, TYPES), min_size=1, max_size=8))
def test_csv_is_read_back(rows):
    distinct = {(label, text.lower(), tuple(types)): text for label, text, types in reversed(rows)}
    patterns = tuple(Pattern(label, text, types) for (label, _, types), text in distinct.items())
    rules = Rules("keyword_model", "author_name", patterns)
    again = parse_csv(rules.as_csv(), "keyword_model", "author_name", "again")
    assert again == rules
    assert again.checksum == rules.checksum


def test_regular_expressions_are_read_back():
    rules = regexes('/young,"工作.{0,3}([一兩三]|[1-3])年"\n/young,"[""\n]"\n')
    assert parse_csv(rules.as_csv(), "rule_model", "content", "again") == rules


def test_the_checksum_tells_rule_sets_apart():
    sets = [
        keywords("/male,b,start\n"),
        keywords("/male,b,end\n"),
        keywords("/male,B,end\n"),
        parse_csv(HEADER + "/male,b,end\n", "keyword_model", "content", "rules.csv"),
        regexes("/male,b\n"),
    ]
    assert len({rules.checksum for rules in sets}) == len(sets)
    assert keywords("male,b,start\n\n").checksum == sets[0].checksum


def test_the_shipped_names_are_for_both_panels():
    rules = read(RULES, "keyword_model", "author_name")
    counts = Counter(pattern.panel for pattern in rules.patterns)
    assert set(counts) == {"female", "male"}
    assert all(350 <= count <= 550 for count in counts.values())
    assert {match_type for pattern in rules.patterns for match_type in pattern.match_types} == set(MATCH_TYPES)


def test_no_shipped_name_makes_a_name_of_the_other_panel_its_own():
    rules = read(RULES, "keyword_model", "author_name")
    texts = {panel: {p.text for p in rules.patterns if p.panel == panel} for panel in ("female", "male")}
    anywhere = [
        pattern.text for pattern in rules.patterns if pattern == Pattern("female", pattern.text, ("partially",))
    ]
    assert not texts["female"] & texts["male"]
    assert not [(short, text) for short in anywhere for text in texts["male"] if short in text]


def test_the_shipped_regular_expressions_are_read():
    assert read(RULES, "rule_model", "content").panels == ("/parenting", "/student", "/young")


def test_only_known_files_are_shipped():
    known = {f"{model_type}/{predict_type}.csv" for model_type in MODEL_TYPES for predict_type in PREDICT_TYPES}
    assert {path.relative_to(RULES).as_posix() for path in RULES.rglob("*.csv")} <= known


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("panel;keyword;match_type", "fields are separated by semicolons"),
        ("panel\tkeyword\tmatch_type", "fields are separated by tabs"),
        ("panel,keyword,match_type,,", "it ends with commas, as spreadsheets write them"),
        ("panel,pattern", "this is the header of the other model"),
        ("panel,keyword,match_type\nfemale,ann,start,,", "line 2: .*found 5: it ends with commas"),
        ("panel,keyword,match_type\nfemale;ann;start", "line 2: .*found 1: fields are separated by semicolons"),
    ],
)
def test_the_cause_of_another_form_is_named(line, reason):
    with pytest.raises(RulesError, match=reason):
        parse_csv(f"{line}\nfemale,lily,end\n", "keyword_model", "author", "rules.csv")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[[:alpha:]]+", r"line 3: a regular expression of Python .* POSIX class '\[:alpha:\]': use \\w"),
        ("x[^[:^digit:]a]", "POSIX class"),
        ("a*", r"line 3: .* does not match every text was expected, found 'a\*'"),
        ("(lily|)", "does not match every text"),
        (".*", "does not match every text"),
        ("^", "does not match every text"),
    ],
)
def test_regular_expressions_that_nobody_means_are_refused(pattern, reason):
    with pytest.raises(RulesError, match=reason):
        parse_csv(f'panel,pattern\nx,y\nx,"{pattern}"\n', "rule_model", "content", "rules.csv")


@pytest.mark.parametrize("pattern", [r"\[:alpha:]", r"^\s*$", "[:a]", "a+", "x?y", "^$", "(?=.*a)b"])
def test_other_regular_expressions_are_accepted(pattern):
    found = parse_csv(f'panel,pattern\nx,"{pattern}"\n', "rule_model", "content", "rules.csv")
    assert (found.patterns[0].text, found.warnings) == (pattern, [])


def test_what_is_probably_not_meant_is_told():
    lines = "panel,keyword,match_type\n/Female,ann,end\n/female,lily,end\nmale,tom,end\nMALE,tim,end\n"
    found = parse_csv(lines, "keyword_model", "author", "rules.csv")
    assert found.warnings == [
        "the panels /Female, /female differ in case only",
        "the panels /MALE, /male differ in case only",
    ]
    assert parse_csv("panel,pattern\nx,.+\n", "rule_model", "content", "rules.csv").warnings == [
        "the rule '.+' of /x matches every text"
    ]


LILY = Pattern("female", " lily", ("start", "end"))


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbfpanel,keyword,match_type\r\nfemale, lily,"start,end"\r\n',
        'panel,keyword,match_type\nfemale, lily,"start,end"\n'.encode("utf-16"),
        '\ufeffpanel,keyword,match_type\nfemale, lily,"start,end"\n'.encode("utf-16-be"),
        b"sep=;\r\npanel;keyword;match_type\r\nfemale; lily;start,end\r\n",
        b"\xef\xbb\xbfsep=\t\npanel\tkeyword\tmatch_type\nfemale\t lily\tstart,end\n",
        b'"sep=,"\npanel,keyword,match_type\nfemale, lily,"start,end"\n',
        b'Keyword, match_type,PANEL\n lily,"start,end",/female\n',
        'ｐａｎｅｌ,ｋｅｙｗｏｒｄ,match_type\n／female\u3000, lily,"ｓｔａｒｔ，end "\n'.encode(),  # noqa: RUF001
    ],
    ids=["bom", "utf-16", "utf-16-be", "semicolons", "tabs", "commas", "order", "full width"],
)
def test_other_forms_of_a_file_are_read(tmp_path, content):
    (tmp_path / "keyword_model").mkdir()
    (tmp_path / "keyword_model/author_name.csv").write_bytes(content)
    assert read(tmp_path, "keyword_model", "author_name").patterns == (LILY,)


def test_the_line_of_the_separator_counts():
    with pytest.raises(RulesError, match="line 3: match type"):
        parse_csv("sep=;\npanel;keyword;match_type\nfemale;a;x\n", "keyword_model", "author", "rules.csv")


def test_half_a_character_of_utf_16_is_named(tmp_path):
    (tmp_path / "keyword_model").mkdir()
    content = "panel,keyword,match_type\n".encode("utf-16") + b"a"
    (tmp_path / "keyword_model/author_name.csv").write_bytes(content)
    with pytest.raises(RulesError, match=r"line 2: UTF-16 text was expected, found the byte 0x61"):
        read(tmp_path, "keyword_model", "author_name")


def test_letters_of_a_panel_are_composed_and_those_of_a_keyword_are_not():
    rules = keywords("cafe\u0301,cafe\u0301,end\ncafé,the,end\n")
    assert rules.panels == ("/café",)
    assert rules.patterns[0].text == "cafe\u0301"
    [warning] = rules.warnings
    assert "not composed" in warning


def test_a_keyword_of_two_panels_is_warned_of():
    rules = keywords("".join(f"f,a{n},end\nm,A{n},end\n" for n in range(7)) + "m,b,start\nf,b,end\n")
    assert rules.warnings[0] == "the rule 'a0' belongs to /f, /m"
    assert rules.warnings[5:] == ["2 more rules of this kind"]


@pytest.mark.parametrize("text", ["$a", "a^", "x$.", "(?!)"])
def test_an_expression_that_matches_nothing_is_warned_of(text):
    assert regexes(f"x,{text}\n").warnings == [f"the rule {text!r} of /x matches no text"]


@pytest.mark.parametrize("text", ["^a$", "a*^b", "a$\\s", "(a^|b)", "a$|b", "(?m)a$\\n^b"])
def test_an_expression_that_may_match_is_not(text):
    assert regexes(f"x,{text}\n").warnings == []
