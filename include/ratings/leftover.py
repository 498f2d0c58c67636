"""Leftover work: what has waited so long that the run that should have taken it must have failed, or never started."""

from include.core.storage import Store, is_text
from include.core.text import printable
from include.ratings import layout
from include.ratings.data import landing
from include.ratings.models.champion import read_champion
from include.ratings.predictions.predict import pending


def unanswered(store: Store, now: float, min_seconds: float) -> list[str]:
    """
    Return the files of pairs that wait for the champion's predictions; none without a champion.

    Args:
        store: the workflow's folder.
        now: seconds since 1970.
        min_seconds: how long a file must have been there.
    """
    champion = read_champion(store.path)
    if champion is None:
        return []
    waiting = pending(store.path, champion, now).all
    return [printable(each.name) for each in waiting if each.changed <= now - min_seconds]


def untrained(store: Store, now: float, min_seconds: float) -> list[str]:
    """
    Return the files of ratings that no run has taken, and the versions of the training table without a decision.

    Args:
        store: the workflow's folder.
        now: seconds since 1970.
        min_seconds: how long a file or a version must have been there.
    """
    champion, landed = read_champion(store.path), landing.landed(store.path, "training")
    if champion is None:
        return ["the first model"]
    from include.ratings.data.ledger import Ledger  # here, so that the check for predictions does not load Delta

    ledger, oldest = Ledger.existing(layout.training_table(store)), now - min_seconds
    if ledger is None:
        return []
    fresh = [landed[name] for name in ledger.not_taken(filter(is_text, landed))]
    files = [each for each in landing.complete(store.path, "training", fresh, now) if each.changed <= oldest]
    versions = ledger.data_versions(after=champion.decided, until=oldest)
    return [printable(each.name) for each in files] + [f"training version {each}" for each in versions]
