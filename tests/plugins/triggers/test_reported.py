"""Memory of a watcher: small enough for the store, the same after a restart."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartet.triggers import reported
from quartet.triggers.reported import BUCKETS, KEYS, MAX_BUCKET_DIGESTS, Reported, digest, pack, unpack

FILES = st.dictionaries(st.text(min_size=1, max_size=5), st.sampled_from(["1", "2", "3"]), max_size=30)
NOW = 100.0


def there(files: dict[str, str]) -> dict[str, SimpleNamespace]:
    return {name: SimpleNamespace(fingerprint=fingerprint) for name, fingerprint in files.items()}


def save(reports: Reported, store: dict[str, str], until: float = NOW) -> dict[str, str]:
    values = reports.unsaved(until)
    for key, value in values.items():
        store[key] = value
        reports.saved(key, value)
    return values


@given(st.sets(st.integers(0, 2**64 - 1)))
def test_what_is_packed_is_unpacked(digests):
    assert unpack(pack(digests)) == digests


@pytest.mark.parametrize("text", ["%", "AAAA", None, ["AAAA"], 7])
def test_what_was_not_packed_is_refused(text):
    with pytest.raises(ValueError, match=r"expected|base64"):
        unpack(text)


def test_a_full_value_fits_the_store():
    assert len(pack(range(2**63, 2**63 + MAX_BUCKET_DIGESTS))) < 65_535


def test_a_digest_is_that_of_yesterday():
    assert digest("train-1.txt", "12-1600000000.000000") == 9386350094139842953
    assert digest("a", "b1") != digest("ab", "1")
    assert digest("odd-\udcff", "1") != digest("odd-\udcfe", "1")  # names that are not UTF-8


@given(before=FILES, after=FILES)
def test_after_a_restart_exactly_the_new_and_replaced_are_reported(before, after):
    store: dict[str, str] = {}
    first = Reported({})
    assert set(first.unreported(there(before))) == set(before)
    first.add(before, NOW)
    save(first, store)
    again = Reported(store)
    assert set(again.unreported(there(after))) == {name for name in after if before.get(name) != after[name]}


@given(st.lists(st.tuples(FILES, st.booleans()), max_size=8))
def test_without_a_kill_each_content_is_reported_once_and_with_kills_at_least_once(looks):
    store: dict[str, str] = {}
    watcher, reports, now = Reported({}), [], NOW
    for files, killed in looks:
        new = watcher.unreported(there(files))
        reports += [(name, files[name]) for name in new]
        assert {(name, files[name]) for name in files} <= set(reports)  # nothing that is there is ever left out
        watcher.add(new, now)
        if killed:
            watcher = Reported(store)
        assert killed or watcher.unreported(there(files)) == []
        now += 1
        save(watcher, store, now - 2)


def test_a_report_is_saved_only_when_it_is_old_enough():
    store: dict[str, str] = {}
    watcher = Reported({})
    watcher.unreported(there({"a": "1", "b": "1"}))
    watcher.add(["a"], 10.0)
    watcher.add(["b"], 12.0)
    assert save(watcher, store, until=9.9) == {}
    assert Reported(save(watcher, store, until=10.0)).unreported(there({"a": "1", "b": "1"})) == ["b"]
    assert save(watcher, store, until=11.9) == {}
    save(watcher, store, until=12.0)
    assert Reported(store).unreported(there({"a": "1", "b": "1"})) == []


def test_only_changed_values_are_written():
    store: dict[str, str] = {}
    files = {f"train-{number}": "1" for number in range(1_000)}
    watcher = Reported({})
    watcher.add(watcher.unreported(there(files)), NOW)
    assert set(save(watcher, store)) == set(KEYS)
    watcher.add(watcher.unreported(there(files | {"one": "1"})), NOW)
    assert list(save(watcher, store)) == [KEYS[digest("one", "1") % BUCKETS]]
    assert save(watcher, store) == {}


def test_what_is_gone_is_forgotten_and_reported_when_it_comes_back():
    store: dict[str, str] = {}
    watcher = Reported({})
    watcher.add(watcher.unreported(there({"a": "1"})), NOW)
    save(watcher, store)
    assert watcher.unreported({}) == []
    save(watcher, store)
    assert set(store.values()) == {""}
    assert Reported(store).unreported(there({"a": "1"})) == ["a"]
    assert watcher.unreported(there({"a": "1"})) == ["a"]


def test_too_many_to_remember_are_reported_again_never_lost(monkeypatch, caplog):
    monkeypatch.setattr(reported, "MAX_BUCKET_DIGESTS", 2)
    store: dict[str, str] = {}
    files = {f"train-{number}": "1" for number in range(200)}
    watcher = Reported({})
    watcher.add(watcher.unreported(there(files)), NOW)
    save(watcher, store)
    assert watcher.unreported(there(files)) == []  # in memory all are known
    assert len(Reported(store).unreported(there(files))) == 200 - 2 * BUCKETS
    assert save(watcher, store) == {}
    watcher.add(watcher.unreported(there(files | {"one": "1"})), NOW)
    save(watcher, store)
    assert caplog.text.count("too many to remember") == 1


def test_a_damaged_value_costs_only_its_own_part(caplog):
    store: dict[str, str] = {}
    files = {f"train-{number}": "1" for number in range(100)}
    watcher = Reported({})
    watcher.add(watcher.unreported(there(files)), NOW)
    save(watcher, store)
    store[KEYS[0]] = "?"
    again = Reported(store).unreported(there(files))
    assert again == [name for name in files if digest(name, "1") % BUCKETS == 0]
    assert "reported-00 is damaged" in caplog.text


def test_fifty_thousand_files_fit():
    store: dict[str, str] = {}
    files = there({f"train-{number}": "1" for number in range(50_000)})
    watcher = Reported({})
    watcher.add(watcher.unreported(files), NOW)
    save(watcher, store)
    assert max(map(len, store.values())) < 32_000
    assert Reported(store).unreported(files) == []
