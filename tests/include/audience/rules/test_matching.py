"""Which patterns match which texts."""

import re
import signal
import sys
import time
from _sre import unicode_tolower  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.audience.results.state import TaskAbortedError
from include.audience.rules import matching
from include.audience.rules.files import read
from include.audience.rules.linear import LinearSearch, Untranslatable, translate
from include.audience.rules.matching import KeywordMatcher, Matcher, RegexMatcher, build, panels
from include.audience.rules.ruleset import MATCH_TYPES, Pattern, Rules, RulesError, fold
from include.audience.settings import RULES

ANYWHERE = ("partially",)


def keywords(*patterns: tuple[str, str, tuple[str, ...]]) -> Rules:
    return Rules("keyword_model", "author_name", tuple(Pattern(*pattern) for pattern in patterns))


def matches(text: str, keyword: str, match_type: str) -> bool:
    return build(keywords(("female", keyword, (match_type,)))).match([text]) == [(0,)]


@pytest.mark.parametrize(
    ("text", "keyword", "match_type", "expected"),
    [
        ("Joanna", "ann", "partially", True),
        ("JOANNA", "Ann", "partially", True),
        ("Joan Na", "ann", "partially", False),
        ("annette", "ann", "start", True),
        (" annette", "ann", "start", False),
        ("joann", "ann", "end", True),
        ("joann ", "ann", "end", False),
        ("Ann", "ann", "exactly", True),
        ("Ann ", "ann", "exactly", False),
        ("ann ann", "ann", "exactly", False),
        ("Ali bin Abu", " bin ", "partially", True),
        ("Albin", " bin ", "partially", False),
        ("\uff21nn", "ann", "partially", False),  # a full-width A
        ("straße", "strasse", "partially", False),
        ("Maß", "ß", "end", True),
        ("İ", "i", "exactly", True),  # lower-cased, this letter would be an i and a dot
        ("İrem", "irem", "exactly", True),
        ("irem", "İrem", "start", True),
        ("i\u0307rem", "İREM", "end", True),
        ("\u0131rem", "irem", "partially", False),
        ("xİ", "İ", "end", True),
        ("ΑΣΤΕΡΙ", "ΑΣ", "start", True),  # lower-cased, the keyword would end with another sigma
        ("αστερι", "ΑΣ", "start", True),
        ("ΟΔΟΣ", "οδοσ", "exactly", True),
        ("οδος", "ΟΔΟΣ", "exactly", True),
        ("王小姐", "姐", "end", True),
        ("👩\u200d👧", "👧", "end", True),
        ("a\0b", "\0b", "end", True),
        ("a\ud83d", "\ud83d", "end", True),
        ("\U0001f600", "\ud83d", "partially", False),
        ("aaa", "aa", "end", True),
        ("", "a", "partially", False),
    ],
)
def test_where_a_keyword_has_to_be(text, keyword, match_type, expected):
    assert matches(text, keyword, match_type) is expected


def test_several_types_are_alternatives():
    matcher = build(keywords(("female", "太太", ("start", "end"))))
    assert matcher.match(["太太王", "王太太", "王太太好", "太太"]) == [(0,), (0,), (), (0,)]


def test_all_patterns_that_match_are_named_in_their_order():
    rules = keywords(
        ("male", "tommy", ANYWHERE),
        ("female", "ann", ("start",)),
        ("male", "tom", ANYWHERE),
        ("male", "ANN", ("exactly",)),
        ("young", "omm", ANYWHERE),
    )
    assert build(rules).match(["Ann Tommy", "ann", "nobody"]) == [(0, 1, 2, 4), (1, 3), ()]


LETTERS = st.text(st.sampled_from("aAbİißẞ 😀Σσς\u0307\ud83d\u3000"), max_size=8)
TYPES = st.sets(st.sampled_from(MATCH_TYPES), min_size=1).map(tuple)


def plain(text: str, pattern: Pattern) -> bool:
    text, keyword = fold(text), fold(pattern.text)
    found = {
        "partially": keyword in text,
        "start": text.startswith(keyword),
        "end": text.endswith(keyword),
        "exactly": text == keyword,
    }
    return any(found[match_type] for match_type in pattern.match_types)


@given(st.lists(st.tuples(st.just("p"), LETTERS.filter(bool), TYPES), min_size=1, max_size=8), st.lists(LETTERS))
@example([("p", "a", ("end",)), ("p", "aa", ANYWHERE), ("p", "A", ("start",))], ["aaa", "baa", ""])
def test_it_finds_what_a_plain_loop_finds(patterns, texts):
    rules = keywords(*patterns)
    assert KeywordMatcher(rules).match(texts) == [
        tuple(position for position, pattern in enumerate(rules.patterns) if plain(text, pattern)) for text in texts
    ]


def calls(matcher: Matcher, texts: Sequence[str]) -> int:
    """Count the calls of functions, also of those in C, that a matcher makes for texts that do not match."""
    events: list[str] = []
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        found = matcher.match(texts)
    finally:
        sys.setprofile(None)
    assert not any(found)
    return sum(event in ("call", "c_call") for event in events)


def test_texts_that_do_not_match_take_a_few_calls_each_however_many_keywords_there_are():
    """Check what makes it fast; benchmarks/audience.py measures how fast."""
    texts = [f"訪客 {number}" for number in range(100_000)]
    all_keywords = read(RULES, "keyword_model", "author_name")
    assert len(all_keywords.patterns) > 100
    assert calls(build(all_keywords), texts) == calls(build(keywords(("p", "x", ANYWHERE))), texts) < 6 * len(texts)


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("我工作了3年", (0,)),
        ("工作 一年", (0,)),
        ("工作四年", ()),
        ("工作已經快滿三年", ()),  # four characters between
        ("Office LADY", (1,)),
        ("第一行\n工作兩年", (0,)),
        ("", ()),
    ],
)
def test_regular_expressions_are_searched_for(text, hits):
    patterns = (Pattern("young", "工作.{0,3}([一兩三]|[1-3])年"), Pattern("employee", "OFFICE [A-Z]+$"))
    matcher = build(Rules("rule_model", "content", patterns))
    assert isinstance(matcher, RegexMatcher)
    assert matcher.match([text]) == [hits]


@pytest.mark.parametrize(
    ("text", "panel"),
    [
        ("工作2年了 想轉職", "/young"),
        ("我兒子剛滿月", "/parenting"),
        ("寶寶六個月可以吃什麼", "/parenting"),
        ("期中考要到了", "/student"),
        ("我是大三的學生", "/student"),
        ("最大一間店", None),
        ("我今年大三", "/student"),
        ("今天天氣真好", None),
    ],
)
def test_the_shipped_regular_expressions(text, panel):
    rules = read(RULES, "rule_model", "content")
    index = panels(build(rules).match([text]), rules)[0]
    assert (rules.panels[index] if index >= 0 else None) == panel


@pytest.mark.parametrize(
    ("author", "panel"),
    [
        ("Jennifer Tan", "/female"),
        ("JENNIFER", "/female"),
        ("林淑芬", "/female"),
        ("Siti Nurhaliza binti Tarudin", "/female"),
        ("陳小姐", "/female"),
        ("Mrs Robert", "/female"),
        ("Danielle", "/female"),
        ("Andrea Lim", "/female"),
        ("王志豪", "/male"),
        ("Ali bin Abu", "/male"),
        ("Mr Tan", "/male"),
        ("Tom", "/male"),
        ("李哥", "/male"),
        ("tomato", None),
        ("pregnancy", None),
        ("University", None),
        ("positive", None),
        ("constellation", None),
        ("market", None),
        ("Andreas", "/male"),
        ("Brendan", "/male"),
        ("Philippines", None),
        ("訪客123", None),
    ],
)
def test_the_shipped_names(author, panel):
    rules = read(RULES, "keyword_model", "author_name")
    index = panels(build(rules).match([author]), rules)[0]
    assert (rules.panels[index] if index >= 0 else None) == panel


def test_the_first_panel_in_alphabetical_order_wins():
    rules = keywords(("male", "mark", ANYWHERE), ("female", "lily", ANYWHERE), ("young", "m", ("start",)))
    hits = build(rules).match(["Lily Goh", "nobody", "Mark Sim", "Lily Mark", "may"])
    found = panels(hits, rules)
    assert found.dtype == np.int16
    assert found.tolist() == [0, -1, 1, 0, 2]
    assert panels([], rules).shape == (0,)


def valid(pattern: str) -> bool:
    """Check whether Python accepts an expression."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def regexes(*patterns: str) -> Rules:
    return Rules("rule_model", "content", tuple(Pattern(f"p{number}", text) for number, text in enumerate(patterns)))


@pytest.mark.parametrize("endless", [r"(?!y)(a+)+$", r"^(?!y)(\w+\s?)*$", r"(?!y)(a|aa)+$"])
@pytest.mark.parametrize("before", [0, 700])
def test_a_rule_that_does_not_come_to_an_end_is_named(endless, before, monkeypatch):
    monkeypatch.setattr(matching, "STALL_SECONDS", 0.2)
    rules = regexes("x", endless, "y")
    began = time.process_time()
    with pytest.raises(
        RulesError, match=r"^the rule .* of /p1 does not come to an end within 0\.2 s with a text of 61"
    ):
        build(rules).match([*map(str, range(before)), "a" * 60 + "!", "b"])
    assert time.process_time() - began < 3
    assert build(rules).match(["x", "ba"]) == [(0, 1) if "w" in endless else (0,), (1,)]


def test_many_rules_that_take_long_together_are_all_searched_for(monkeypatch):
    monkeypatch.setattr(matching, "STALL_SECONDS", 0.2)
    slow = r"(?!y)(a+)+$"  # a tenth of a second with 20 letters
    text = "a" * 20 + "!"
    rules = regexes(*(f"{slow}|{number}" for number in range(40)), "!")
    assert build(rules).match(["x", text, "7"])[1] == (40,)


def test_searching_can_be_ended_by_an_abort(monkeypatch):
    monkeypatch.setattr(matching, "STALL_SECONDS", 0.2)
    calls = []

    def between() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise TaskAbortedError

    with pytest.raises(TaskAbortedError):
        build(regexes(r"(?!y)(a+)+$"), between).match(["a" * 60 + "!"])
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL


def test_other_threads_search_without_a_limit():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(build(regexes("a+")).match, ["ba", "c"]).result() == [(0,), ()]


@pytest.mark.parametrize(
    ("pattern", "text"), [("irem", "İrem"), ("İrem", "irem"), ("^ΑΣ", "ΑΣΤΕΡΙ"), ("ΟΔΟΣ$", "οδος"), ("[Σ]$", "ΟΔΟΣ")]
)
def test_regular_expressions_ignore_the_same_cases(pattern, text):
    assert build(regexes(pattern)).match([text, "x"]) == [(0,), ()]


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"^(\w+\s?)*$", r"(a|aa)+$", r"(x+x+)+y"])
def test_a_repetition_within_a_repetition_takes_linear_time(pattern):
    began = time.process_time()
    assert build(regexes(pattern)).match(["a" * 5_000 + "!", "x" * 5_000 + "!"]) == [(), ()]
    assert time.process_time() - began < 2


EXPRESSIONS = st.recursive(
    st.sampled_from(
        ["a", "B", "σ", "Σ", "İ", "ſ", "k", "ß", "王", ".", r"\d", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", "^", "$",  # noqa: RUF001
         r"\Z", "[a-k]", "[^a]", r"[^\w]", r"[\s\d]", "[Α-Ω]", r"\n", "(?=a)", "(?!b)", "(?i:K)", r"(a)\1"]  # noqa: RUF001
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "+?"])).map(lambda each: f"(?:{each[0]}){each[1]}"),  # noqa: E501
    ),
    max_leaves=6,
)  # fmt: skip
TEXTS = st.lists(
    st.text("aAbBkKſsσςΣİiı王1_ \n!\u212a\u0307ß٣\ud800", max_size=6) | st.text(max_size=4),  # noqa: RUF001
    min_size=1,
    max_size=6,
)


@given(st.lists(EXPRESSIONS.filter(valid), min_size=1, max_size=5), TEXTS)
@settings(max_examples=300, deadline=None)
def test_expressions_match_what_they_match_in_python(patterns, texts):
    searches = [re.compile(pattern, re.IGNORECASE).search for pattern in patterns]
    expected = [tuple(n for n, search in enumerate(searches) if search(fold(text))) for text in texts]
    assert build(regexes(*patterns)).match(texts) == expected


def test_folding_leaves_no_letter_in_upper_case():
    """The letters of expressions are translated for texts in which no letter has a lower case of its own."""
    letters = {letter for number in range(sys.maxunicode + 1) for letter in fold(chr(number))}
    assert [letter for letter in letters if unicode_tolower(ord(letter)) != ord(letter)] == []


@pytest.mark.parametrize(
    "pattern", ["(?=a)", r"(a)\1", "(?>a)", "a++", "(?s).", "(?-i:a)", "$a", "a{1001}", "(?<!a)b", r"\B"]
)
def test_what_only_python_decides(pattern):
    with pytest.raises(Untranslatable):
        translate(pattern)


def test_boundaries_are_left_to_python_beyond_ascii():
    assert translate(r"\bann\b")[1] is False
    assert build(regexes(r"\bann\b", "ann")).match(["ann!", "ann王", "王 Ann", "annx"]) == [(0, 1), (1,), (0, 1), (1,)]


def test_without_memory_python_decides(monkeypatch):
    matcher = build(regexes("a", "b"))
    monkeypatch.setattr(LinearSearch, "search", lambda *_: None)
    assert matcher.match(["ab", "b", "c"]) == [(0, 1), (1,), ()]
