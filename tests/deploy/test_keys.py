"""Keys of a home."""

import base64
import stat

import pytest

from deploy.embedded import keys
from deploy.embedded.errors import EmbeddedError


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path):
    made = keys.load_or_create(tmp_path)
    assert made == keys.load_or_create(tmp_path)
    assert stat.S_IMODE((tmp_path / keys.FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [keys.FILE]


def test_keys_are_random_and_long_enough(tmp_path):
    (tmp_path / "other").mkdir()
    one, other = keys.load_or_create(tmp_path), keys.load_or_create(tmp_path / "other")
    assert len({*one.values(), *other.values()}) == 6
    assert {name: len(base64.urlsafe_b64decode(value)) for name, value in one.items()} == keys.NAMES


def test_a_file_that_others_could_read_is_closed(tmp_path):
    keys.load_or_create(tmp_path)
    (tmp_path / keys.FILE).chmod(0o644)
    keys.load_or_create(tmp_path)
    assert stat.S_IMODE((tmp_path / keys.FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"AIRFLOW__CORE__FERNET_KEY": "x"}'])
def test_a_damaged_file_is_named_and_left_alone(tmp_path, content):
    (tmp_path / keys.FILE).write_text(content)
    with pytest.raises(EmbeddedError, match=keys.FILE):
        keys.load_or_create(tmp_path)
    assert (tmp_path / keys.FILE).read_text() == content


def test_a_write_that_was_interrupted_does_not_matter(tmp_path):
    (tmp_path / f"{keys.FILE}.partial").write_text("{")
    assert len(keys.load_or_create(tmp_path)) == 3
