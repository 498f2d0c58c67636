"""What is known of the workflow at a moment, as figures for the collector; `include.core.telemetry` explains them."""

from include.core.storage import StoragePath, Store
from include.ratings import landing, models, prediction


def queue(root: StoragePath, now: float) -> dict[str, float]:
    """
    Say how many files wait for their first answer, and for how long the oldest of them.

    Args:
        root: the workflow's folder.
        now: seconds since 1970.
    """
    if champion := models.champion(root):
        waiting = prediction.plan(root, champion.version, champion.previous, now).unanswered
    else:
        waiting = landing.complete(root, "streaming", landing.landed(root, "streaming").values(), now)
    age = max((now - stored.changed for stored in waiting), default=0.0)
    return {"queue_files": len(waiting), "queue_age_seconds": max(age, 0.0)}


def current(store: Store, now: float) -> dict[str, float | None]:
    """
    Give all figures; `None`: nothing has landed, or nothing was trained yet.

    Args:
        store: the workflow's folder.
        now: seconds since 1970.
    """
    from include.ratings.ledger import Ledger

    newest = max((stored.changed for stored in landing.landed(store.path, "training").values()), default=None)
    champion = models.champion(store.path)
    card = models.read_card(store.path, champion.version) if champion else None
    ledger = Ledger.existing(store.below("training_table"))
    return {
        **queue(store.path, now),
        "data_lag_hours": None if newest is None else (now - newest) / 3600,
        "table_rows": ledger.size() if ledger else None,
        "champion_holdout_rmse": card.metrics.get("holdout_rmse") if card else None,
    }
