"""Formatting of values in messages."""

from hypothesis import given
from hypothesis import strategies as st

from include.core.text import excerpt, printable

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(json_values | st.binary())
def test_an_excerpt_is_short_printable_ascii(value):
    text = excerpt(value)
    assert len(text) <= 60
    assert text.isascii()
    assert text.isprintable()


@given(st.text(st.characters(exclude_categories=[])))
def test_a_printable_name_can_be_encoded(name):
    assert printable(name).encode().decode() == printable(name)


def test_bytes_that_are_not_utf_8_are_escaped():
    assert printable("odd-\udcff \xe9") == "odd-\\udcff \xe9"
