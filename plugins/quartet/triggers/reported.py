"""The objects that an arrival watcher has reported, packed small enough for Airflow's asset state store."""

import base64
import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

log = logging.getLogger(__name__)

BUCKETS = 32
KEYS = tuple(f"reported-{bucket:02}" for bucket in range(BUCKETS))
DIGEST_BYTES = 8
MAX_BUCKET_DIGESTS = 5_600
"""Maximum number of digests in a bucket: 59,736 characters of base64; the store holds 65,535 bytes a key."""


class Seen(Protocol):
    """An object; its fingerprint changes with its content."""

    @property
    def fingerprint(self) -> str: ...


def digest(name: str, fingerprint: str) -> int:
    """Return the 64-bit digest of a name and a fingerprint."""
    text = f"{name}\0{fingerprint}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest(), "big")


def pack(digests: Iterable[int]) -> str:
    """Return digests as text: base64 of 8 bytes each, ascending."""
    return base64.b64encode(b"".join(each.to_bytes(DIGEST_BYTES, "big") for each in sorted(digests))).decode()


def unpack(text: object) -> set[int]:
    """Return the digests that `pack` packed; raises `ValueError` for any other text."""
    if not isinstance(text, str):
        raise ValueError(f"base64 text was expected, found {text!r:.40}")
    data = base64.b64decode(text, validate=True)
    if len(data) % DIGEST_BYTES:
        raise ValueError(f"a multiple of {DIGEST_BYTES} bytes was expected, found {len(data)}")
    return {int.from_bytes(data[i : i + DIGEST_BYTES], "big") for i in range(0, len(data), DIGEST_BYTES)}


class Reported:
    """
    The objects that were reported, each with the content that it had then.

    They are kept as 64-bit digests in 32 values, of which only the changed ones are written. Beyond about 175,000
    objects a value is full: objects that do not fit are reported again after a restart.

    :param values: the values that `unsaved` returned before the restart, by key.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._stored = {key: value for key, value in values.items() if value is not None}
        self._digests: dict[str, tuple[str, int]] = {}  # of existing objects, so that each is hashed once
        self._since: dict[int, float] = {}  # digest → time of its report; 0: before the restart
        self._changed_since: float | None = None  # time of the oldest change that is not saved
        self._full = False
        for key, value in self._stored.items():
            try:
                self._since.update(dict.fromkeys(unpack(value), 0.0))
            except ValueError as error:
                log.warning("%s is damaged; its objects will be reported again: %s", key, error)

    def unreported(self, there: Mapping[str, Seen]) -> list[str]:
        """Return the names of objects *there* that are new or replaced, and forget those that are gone."""
        digests: dict[str, tuple[str, int]] = {}
        for name, seen in there.items():
            known, fingerprint = self._digests.get(name), seen.fingerprint
            digests[name] = known if known and known[0] == fingerprint else (fingerprint, digest(name, fingerprint))
        self._digests = digests
        present = {each for _, each in digests.values()}
        if gone := self._since.keys() - present:
            for each in gone:
                del self._since[each]
            self._note_change(0.0)
        return [name for name, (_, each) in digests.items() if each not in self._since]

    def add(self, names: Iterable[str], now: float) -> None:
        """Remember that *names*, from the last `unreported`, were reported at *now* (in seconds, above 0)."""
        for name in names:
            self._since[self._digests[name][1]] = now
            self._note_change(now)

    def _note_change(self, time: float) -> None:
        self._changed_since = time if self._changed_since is None else min(time, self._changed_since)

    def unsaved(self, until: float) -> dict[str, str]:
        """Return the values to save, by key, so that all reports made *until* then are kept."""
        if self._changed_since is None or self._changed_since > until:
            return {}
        buckets: list[list[int]] = [[] for _ in KEYS]
        for each, since in self._since.items():
            if since <= until:
                buckets[each % BUCKETS].append(each)
        if full := max(map(len, buckets)) > MAX_BUCKET_DIGESTS:
            buckets = [sorted(bucket)[:MAX_BUCKET_DIGESTS] for bucket in buckets]
            if not self._full:
                log.warning("%d objects are too many to remember; some will be reported again", len(self._since))
        self._full = full
        packed = dict(zip(KEYS, map(pack, buckets), strict=True))
        changed = {key: value for key, value in packed.items() if value != self._stored.get(key, "")}
        if not changed:
            self._changed_since = min((since for since in self._since.values() if since > until), default=None)
        return changed

    def saved(self, key: str, value: str) -> None:
        """Note that the store now holds *value*."""
        self._stored[key] = value
