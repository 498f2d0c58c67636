"""Version of the running code, stored with every result to trace how it was made."""

import hashlib
import tomllib
from functools import cache

from include.core.settings import ROOT


@cache
def code_version() -> str:
    """Return the version of Quartet and a digest of `include/`: `0.1.0+3f2a9c81d04b`."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "include").rglob("*.py")):
        digest.update(path.read_bytes())
    release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return f"{release}+{digest.hexdigest()[:12]}"
