"""Formatting of values in messages."""


def excerpt(value: object) -> str:
    """Return a representation of any input value for a message: ASCII only, at most 60 characters."""
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = ascii(value[:60] if isinstance(value, str | bytes) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def printable(name: str) -> str:
    """Return *name* with bytes that are not UTF-8 escaped, so that it can be encoded."""
    return name.encode("utf-8", "backslashreplace").decode()
