"""Which passwords production refuses: those that somebody else can guess."""

import re

MIN_CHARACTERS = 12
MIN_DIFFERENT_CHARACTERS = 6

KNOWN_WORDS = (
    *("admin", "administrator", "airflow", "changeit", "changeme", "default", "demo", "example", "guest"),
    *("iloveyou", "letmein", "login", "master", "monkey", "passphrase", "passwd", "password", "postgres", "qwerty"),
    *("quartet", "root", "secret", "service", "superuser", "sysadmin", "test", "user", "welcome"),
)
"""Words that do not make a password, however often they are repeated and whatever digits stand beside them."""


def weakness(password: str, user: str = "") -> str | None:
    """
    Say what is wrong with a password, in words that do not repeat it; `None`: nothing.

    Args:
        password: the password.
        user: name of the user, which is a known word too.
    """
    if len(password) < MIN_CHARACTERS:
        return f"it has fewer than {MIN_CHARACTERS} characters"
    if len(set(password)) < MIN_DIFFERENT_CHARACTERS:
        return f"it has fewer than {MIN_DIFFERENT_CHARACTERS} different characters"
    # longest first: `administrator` is not `admin` and a remainder that looks random
    known = sorted({*KNOWN_WORDS, _letters(user)} - {""}, key=len, reverse=True)
    if re.fullmatch(f"(?:{'|'.join(known)})*", _letters(password)):
        return "it is made of well-known words (or the user's name), digits and signs only"
    return None


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha())
