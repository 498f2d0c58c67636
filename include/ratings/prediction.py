"""Predict: for every file of pairs one file of ratings, of the same name, for each model version that answers."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.core.errors import BadDataError
from include.core.storage import StoragePath, StoredObject, list_objects, read_bytes, read_json, write_json, write_whole
from include.ratings import landing
from include.ratings.rows import HIGHEST, LOWEST, Pair, parse_file, parse_pair

if TYPE_CHECKING:
    from surprise import AlgoBase


@dataclass(frozen=True)
class Made:
    """How one prediction file was made; kept beside it."""

    file: str
    model: int
    streaming_sha256: str
    rows: int
    unknown_users: list[str]
    unknown_movies: list[str]
    dag_run_id: str
    at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class Work:
    """What a run predicts, pinned at its start, in this order."""

    unanswered: list[StoredObject]
    """Files without an answer of any model."""
    outdated: list[StoredObject]
    """Files that only an earlier model has answered."""


def plan(root: StoragePath, version: int, previous: Sequence[int], now: float) -> Work:
    """
    List the files that the model *version* has not answered.

    Args:
        root: the workflow's folder.
        version: the champion.
        previous: the champions before it.
        now: seconds since 1970; a file that is still being written then is left for later.
    """
    answered = list_objects(root / "predict" / str(version))
    missing = [stored for name, stored in landing.landed(root, "streaming").items() if name not in answered]
    missing = landing.complete(root, "streaming", missing, now)
    earlier = {name for each in previous for name in list_objects(root / "predict" / str(each))} if missing else set()
    return Work(
        unanswered=[stored for stored in missing if stored.name not in earlier],
        outdated=[stored for stored in missing if stored.name in earlier],
    )


def predict_file(root: StoragePath, stored: StoredObject, model: "AlgoBase", version: int, *, run: str, at: str) -> str:
    """
    Answer one file; exactly one object for each (file, model version), whatever is retried or doubled.

    Returns:
        `computed`, `reused` (somebody else was faster) or `refused` (the file is bad, the reason is kept).
    """
    try:
        data = read_bytes(root / "streaming" / stored.name)
        pairs = parse_file(data, parse_pair)
    except BadDataError as error:
        landing.refuse(root, "streaming", stored, str(error))
        return "refused"
    landing.accept(root, "streaming", stored.name)
    trainset = model.trainset
    made = Made(
        file=stored.name,
        model=version,
        streaming_sha256=hashlib.sha256(data).hexdigest(),
        rows=len(pairs),
        unknown_users=sorted({pair.user for pair in pairs if pair.user not in trainset._raw2inner_id_users}),
        unknown_movies=sorted({pair.movie for pair in pairs if pair.movie not in trainset._raw2inner_id_items}),
        dag_run_id=run,
        at=at,
    )
    content = "".join(lines(model, pairs)).encode()
    target = root / "predict" / str(version) / stored.name
    if target.exists():
        return "reused"
    write_json(root / "predict_made" / str(version) / f"{stored.name}.json", asdict(made))
    try:
        write_whole(target, content, exclusive=True)
    except FileExistsError:
        return "reused"
    return "computed"


def lines(model: "AlgoBase", pairs: Sequence[Pair]) -> Iterator[str]:
    """Give `user movie rating` for each pair, in order; the rating as the shortest text that reads back the same."""
    for user, movie in pairs:
        rating = min(HIGHEST, max(LOWEST, float(model.predict(user, movie).est)))
        yield f"{user} {movie} {rating!r}\n"


def answer(root: StoragePath, name: str, versions: Sequence[int]) -> tuple[int, str] | None:
    """
    Give the newest answer to the file *name*.

    Args:
        root: the workflow's folder.
        name: the file.
        versions: the model versions to look at, the preferred one first.

    Returns:
        Model version and content; `None`: none of them has answered yet.
    """
    for version in versions:
        try:
            return version, read_bytes(root / "predict" / str(version) / name).decode()
        except FileNotFoundError:
            continue
    return None


def made(root: StoragePath, name: str, version: int) -> dict[str, Any] | None:
    """Say how the answer of model *version* to the file *name* was made."""
    return read_json(root / "predict_made" / str(version) / f"{name}.json")


def answered_by(root: StoragePath, version: int) -> list[str]:
    """List the files that the model *version* has answered."""
    return list(list_objects(root / "predict" / str(version)))


FAILURE = "_failed.json"


def record_failure(root: StoragePath, version: int, reason: str, run: str) -> None:
    """Keep why the model *version* cannot answer at all, for those who wait."""
    write_json(root / "predict" / str(version) / FAILURE, {"error": reason, "dag_run_id": run})


def clear_failure(root: StoragePath, version: int) -> None:
    """Forget an earlier failure: the model answers again."""
    (root / "predict" / str(version) / FAILURE).unlink(missing_ok=True)


def failure(root: StoragePath, version: int) -> str | None:
    """Say why the model *version* cannot answer; `None`: nothing is known against it."""
    return (read_json(root / "predict" / str(version) / FAILURE) or {}).get("error")
