from include.core.provenance import MadeBy, Record, Source, at, equal
from quartet.pages.why import MAX_SHOWN, groups, selected, text_of


def test_sources_are_grouped_by_kind_and_sorted_by_share():
    sources = [Source("spin", "a", share=0.1), Source("listener", "b"), Source("spin", "c", share=-0.2)]
    found = groups(Record("quartet://songs/x", 1, MadeBy(), sources))
    assert [(group.kind, [each.source.uri for each in group.sources]) for group in found] == [
        ("spin", ["c", "a"]),
        ("listener", ["b"]),
    ]
    assert [each.width for each in found[0].sources] == [100, 50]


def test_only_the_largest_are_shown_and_all_are_counted():
    sources = [Source("spin", "a", share=share) for share in range(MAX_SHOWN + 5)]
    [group] = groups(Record("quartet://songs/x", 1, MadeBy(), sources))
    assert (group.count, len(group.sources), group.sources[0].source.share) == (MAX_SHOWN + 5, MAX_SHOWN, MAX_SHOWN + 4)


def test_conditions_in_words():
    assert selected(None) == ""
    assert selected(at("line=3")) == "line=3"
    assert selected(equal(user=233, movie=346)) == "user = 233 and movie = 346"


def test_values_in_words():
    assert text_of({"user": 1, "tags": ["a"], "none": None}) == 'user: 1, tags: ["a"], none: '
    assert (text_of("x"), text_of(None), text_of(0.5)) == ("x", "", "0.5")
