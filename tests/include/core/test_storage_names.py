"""Names from outside: any bytes, any length."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.storage import find_object, list_objects, read_json, safe_name, write_json, write_whole

FOREIGN = os.fsdecode(b"caf\xe9.txt")


@pytest.mark.parametrize("name", ["a.txt", "ä'\"; b", "n" * 250, "评" * 83])
def test_a_name_that_fits_stays_what_it_is(name):
    assert safe_name(name, ".json") == f"{name}.json"


@pytest.mark.parametrize("name", ["n" * 251, "评" * 84, FOREIGN, "x~" + "0" * 64])
def test_any_other_name_is_shortened_to_a_prefix_and_its_digest(name):
    short = safe_name(name, ".json")
    prefix, _, digest = short.rpartition("~")
    assert name.startswith(prefix[:3])
    assert len(digest) == 64 + len(".json")
    assert len(short.encode()) <= 255


@given(st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=300))
def test_different_names_stay_different(one, other):
    names = [os.fsdecode(each.replace(b"/", b"_").replace(b"\0", b"_")) for each in (one, other)]
    assert (safe_name(names[0]) == safe_name(names[1])) is (names[0] == names[1])


@pytest.mark.parametrize("name", ["评" * 85, "😀" * 63, "n" * 255, FOREIGN, os.fsdecode(b"\xff" * 255)])
def test_an_object_of_any_name_is_written(tmp_path, name):
    write_whole(tmp_path / name, b"1")
    write_whole(tmp_path / name, b"2")
    assert list(list_objects(tmp_path)) == [name]
    assert (tmp_path / name).read_bytes() == b"2"


def test_json_with_a_name_that_is_not_text_reads_back(tmp_path):
    write_json(tmp_path / "a", {"file": FOREIGN, "é": "é"})
    assert read_json(tmp_path / "a") == {"file": FOREIGN, "é": "é"}


def test_a_link_in_a_loop_is_listed_and_hides_nothing(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "below").symlink_to("a/below")
    (tmp_path / "long").symlink_to("n" * 300)
    found = list_objects(tmp_path)
    assert list(found) == ["a", "long", "loop", "one", "two"]
    assert find_object(tmp_path / "loop") == found["loop"]
    assert find_object(tmp_path / "below") is None
