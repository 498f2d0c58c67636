"""Bound on the lists in an answer."""

from quartet.api.common.bounds import MAX_LISTED, bound_lists, part


def test_a_short_list_is_whole_and_says_nothing():
    assert part([1, 2, 3]) == ([1, 2, 3], None)
    assert part([]) == ([], None)


def test_a_part_says_how_many_follow():
    assert part([1, 2, 3, 4], 2) == ([1, 2], 2)
    assert part([1, 2, 3, 4], 2, 2) == ([3, 4], None)
    assert part([1, 2, 3, 4], 2, 9) == ([], None)


def test_lists_in_an_answer_are_shortened_each_with_its_count():
    long, short = list(range(MAX_LISTED + 5)), ["a"]
    answer = {"training": {"version": 1, "files": long}, "unknown": {"users": short}}
    found = bound_lists(answer, [("training", "files"), ("unknown", "users")])
    assert found["training"] == {"version": 1, "files": long[:MAX_LISTED]}
    assert found["unknown"] == {"users": short}
    assert found["more"] == {"training.files": 5}


def test_an_answer_of_short_lists_stays_as_it_is():
    answer = {"unknown": {"users": ["a"]}}
    assert bound_lists(answer, [("unknown", "users")]) == {"unknown": {"users": ["a"]}}
