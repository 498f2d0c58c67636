"""Prediction: for every landed file of pairs one file of ratings, for each model version that predicts."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from logging import getLogger
from typing import TYPE_CHECKING

from include.core.code import code_version
from include.core.errors import TransientError
from include.core.storage import StoragePath, StoredObject, list_objects
from include.ratings import layout
from include.ratings.data import file_names, landing
from include.ratings.data.changed import refuse_changed
from include.ratings.data.rows import MAX_STARS, MIN_STARS, Pair, parse_pair
from include.ratings.models.champion import Champion
from include.ratings.predictions import files
from include.ratings.predictions.files import PredictionRecord

if TYPE_CHECKING:
    from surprise import AlgoBase

log = getLogger(__name__)

CHECK_SECONDS = 1.0
"""While outdated predictions are renewed: how often to check for files that have none."""


@dataclass(frozen=True)
class Pending:
    """Files that a run predicts, pinned at its start, in order."""

    first: list[StoredObject]
    """Files that no model has predicted."""
    outdated: list[StoredObject]
    """Files that only an earlier model has predicted."""
    current: list[StoredObject] = field(default_factory=list)
    """Files that the champion has predicted; there is nothing to do for them."""

    @property
    def all(self) -> list[StoredObject]:
        """All files to predict, in order."""
        return [*self.first, *self.outdated]


def pending(root: StoragePath, champion: Champion, now: float) -> Pending:
    """
    Return the files that the *champion* has not predicted.

    Args:
        root: the workflow's folder.
        champion: the model that predicts, with those before it.
        now: seconds since 1970; a file that is still being written then is left for later.
    """
    predicted = list_objects(layout.predictions_of(root, champion.version))
    landed = landing.landed(root, "streaming")
    missing = [stored for name, stored in landed.items() if name not in predicted]
    missing = landing.complete(root, "streaming", missing, now)
    earlier = _predicted_before(root, champion, {stored.name for stored in missing})
    return Pending(
        first=[stored for stored in missing if stored.name not in earlier],
        outdated=[stored for stored in missing if stored.name in earlier],
        current=[stored for name, stored in landed.items() if name in predicted],
    )


def _predicted_before(root: StoragePath, champion: Champion, names: set[str]) -> set[str]:
    """Return those of *names* that a model before the *champion* has predicted; lists no more models than it needs."""
    asked = {name for name in names if not file_names.was_issued_after(name, champion.since)}
    unknown = set(asked)
    for version in champion.previous:
        if not unknown:
            break
        unknown.difference_update(files.predicted_by(root, version))
    return asked - unknown


def _has_arrived(root: StoragePath, known: set[str], now: float) -> bool:
    """Return whether a file has landed that is not *known*; asks for nothing else, since it is asked often."""
    new = [stored for name, stored in landing.landed(root, "streaming").items() if name not in known]
    return bool(landing.complete(root, "streaming", new, now))


def without_changed(root: StoragePath, work: Pending, champion: Champion, now: float) -> tuple[Pending, int]:
    """Refuse the files that changed since they were predicted; return the others, and the number of those refused."""

    def was_predicted(name: str, sha256: str) -> bool | None:
        records = (files.read_record(root, name, version) for version in (champion.version, *champion.previous))
        record = next(filter(None, records), None)
        return record["streaming_sha256"] == sha256 if record else None

    predicted = [*work.current, *work.outdated]
    refused = set(refuse_changed(root, "streaming", predicted, was_predicted, now))
    return replace(work, outdated=[each for each in work.outdated if each.name not in refused]), len(refused)


def predict_all(
    root: StoragePath,
    work: Pending,
    model: "AlgoBase",
    champion: Champion,
    *,
    run: str,
    clock: Callable[[], float],
) -> dict[str, int]:
    """
    Predict the files of *work*.

    If a file without any prediction lands while outdated ones are renewed, the rest is left to the run that it starts.

    Args:
        root: the workflow's folder.
        work: what to predict.
        model: the fitted model of the champion.
        champion: the model version that predicts.
        run: the DAG run that does it.
        clock: returns seconds since 1970.

    Returns:
        Counts of files: `computed`, `reused`, `refused`, `unreadable`, `unavailable`, `gone` and `left`, without
            zeros.

    Raises:
        TransientError: no file can be read now.
    """
    at = datetime.fromtimestamp(clock(), UTC).isoformat()
    counts: Counter[str] = Counter()
    known = {each.name for each in (*work.all, *work.current)}
    checked = clock()
    for index, each in enumerate(work.all):
        if index >= len(work.first) and clock() - checked >= CHECK_SECONDS:
            checked = clock()
            if _has_arrived(root, known, checked):
                counts["left"] = len(work.all) - index
                log.info("A new file waits: %d outdated predictions are left to the next run", counts["left"])
                break
        counts[predict_file(root, each, model, champion.version, run=run, at=at)] += 1
    if counts["unavailable"] and not counts.keys() & {"computed", "reused"}:
        raise TransientError(
            f"streaming: {counts['unavailable']} landed files cannot be read now, and no other was there"
        )
    log.info("Model %d: %s", champion.version, dict(counts))
    return dict(counts)


def predict_file(root: StoragePath, stored: StoredObject, model: "AlgoBase", version: int, *, run: str, at: str) -> str:
    """
    Predict one file. There is exactly one prediction file for each (file, model version), however often this is done.

    Returns:
        `computed`, `reused` (another run was faster), `refused` (the file is bad; the reason is recorded), or
        what else it is as `landing.open_file` found it.
    """
    opened = landing.open_file(root, "streaming", stored, parse_pair)
    if opened.outcome != "good":
        return opened.outcome
    pairs, trainset = opened.rows, model.trainset
    content = "".join(lines(model, pairs)).encode()
    record = PredictionRecord(
        file=stored.name,
        model=version,
        streaming_sha256=opened.sha256,
        rows=len(pairs),
        unknown_users=sorted({pair.user for pair in pairs if pair.user not in trainset._raw2inner_id_users}),
        unknown_movies=sorted({pair.movie for pair in pairs if pair.movie not in trainset._raw2inner_id_items}),
        dag_run_id=run,
        at=at,
        code=code_version(),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return "computed" if files.write(root, record, content) else "reused"


def lines(model: "AlgoBase", pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield `user movie rating` for each pair, in order; the rating as the shortest text that reads back the same."""
    for user, movie in pairs:
        rating = min(MAX_STARS, max(MIN_STARS, float(model.predict(user, movie).est)))
        yield f"{user} {movie} {rating!r}\n"
