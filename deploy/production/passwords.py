"""Check for weak passwords, which production rejects."""

import re

MIN_CHARACTERS = 12
MIN_DIFFERENT_CHARACTERS = 6

KNOWN_WORDS = (
    *("admin", "administrator", "airflow", "changeit", "changeme", "default", "demo", "example", "guest"),
    *("iloveyou", "letmein", "login", "master", "monkey", "passphrase", "passwd", "password", "postgres", "qwerty"),
    *("quartet", "root", "secret", "service", "superuser", "sysadmin", "test", "user", "welcome"),
)
"""Words that alone make no password, however often they are repeated and whatever digits are added."""


def weakness(password: str, user: str = "") -> str | None:
    """
    Return what is wrong with a password, without repeating it; `None` if it is strong enough.

    Args:
        password: the password.
        user: name of the user, which counts as a known word too.
    """
    if len(password) < MIN_CHARACTERS:
        return f"it has fewer than {MIN_CHARACTERS} characters"
    if len(set(password)) < MIN_DIFFERENT_CHARACTERS:
        return f"it has fewer than {MIN_DIFFERENT_CHARACTERS} different characters"
    # longest first, or `administrator` would be `admin` and a remainder that looks random
    known = sorted({*KNOWN_WORDS, _letters(user)} - {""}, key=len, reverse=True)
    if re.fullmatch(f"(?:{'|'.join(known)})*", _letters(password)):
        return "it consists only of well-known words (or the user's name), digits and signs"
    return None


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha())
