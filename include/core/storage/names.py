"""Names of objects made from names that come from outside, which may be too long or no text at all."""

import hashlib
import re

MAX_NAME_BYTES = 255
"""Longest name that common file systems take, in bytes of UTF-8."""
_PREFIX_BYTES = 100
_DIGEST = re.compile(r"~[0-9a-f]{64}$")


_UNFINISHED = re.compile(
    r"(~|#|\.(part|partial|filepart|crdownload|opdownload|download|tmp|temp|swp|swo|swx|bak))$|^~\$", re.IGNORECASE
)


def is_unfinished(name: str) -> bool:
    """Return whether *name* is that of a file still being written, or of an editor's copy: `a.part`, `a.txt~`."""
    return _UNFINISHED.search(name) is not None


def name_bytes(name: str) -> bytes:
    """Return *name* as the file system has it; bytes that are not UTF-8 stay what they are."""
    return name.encode("utf-8", "surrogateescape")


def cut_name(name: str, max_bytes: int) -> str:
    """Return the beginning of *name*, at most *max_bytes* of UTF-8, without half characters and foreign bytes."""
    return name_bytes(name)[:max_bytes].decode("utf-8", "ignore")


def is_text(name: str) -> bool:
    """Return whether *name* can be written as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def safe_name(name: str, ending: str = "") -> str:
    """
    Return a name that every store takes, different for different names: *name* itself wherever that is possible.

    Args:
        name: any name, without its ending.
        ending: what is appended to it, such as `.json`.

    Returns:
        *name* with its ending; if that is not UTF-8 or longer than 255 bytes, the name's beginning and its sha256.
    """
    fits = len(name_bytes(name)) + len(ending) <= MAX_NAME_BYTES
    if fits and is_text(name) and not _DIGEST.search(name):
        return f"{name}{ending}"
    return f"{cut_name(name, _PREFIX_BYTES)}~{hashlib.sha256(name_bytes(name)).hexdigest()}{ending}"
