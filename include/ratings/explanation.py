"""Why a prediction is what it is: the terms of its estimate, the ratings they were fitted on, model and data."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from include.core.errors import DamagedObjectError
from include.core.provenance import MadeBy, Record, Row, Source, UnknownRowError, at, equal
from include.core.storage import StoragePath, Store, read_bytes
from include.ratings import layout
from include.ratings.data import base
from include.ratings.data.ledger import Ledger
from include.ratings.errors import UnknownVersionError
from include.ratings.models import cards
from include.ratings.predictions import files

if TYPE_CHECKING:
    from surprise import AlgoBase

    from include.core.registry import ModelVersion

Stored = Callable[[str], StoragePath]
"""Returns a path below the root of the platform's storage."""
Place = tuple[str, int, str | None, float, int]
"""Landed file or `""` for base data, line from 1, DAG run that took it, stars, timestamp."""


def explain(store: Store, stored: Stored, row: Row) -> Record:
    """
    Explain a row of the ratings; `include.ratings.workflow` lists which.

    Args:
        store: the workflow's folder.
        stored: see `Stored`.
        row: the row.

    Raises:
        UnknownRowError: there is no such row.
        DamagedObjectError: the model is not what was written.
    """
    kind, *parts = row.parts
    if kind == "predictions":
        return _explain_prediction(store.path, stored, row, _card(store.path, parts[0]), parts[1], parts[2])
    if kind == "models":
        return _explain_model(row, _card(store.path, parts[0]))
    return _explain_rating(store, row, _card(store.path, parts[0]), parts[1], parts[2])


def _explain_prediction(
    root: StoragePath, stored: Stored, row: Row, card: "ModelVersion", name: str, line: str
) -> Record:
    record = files.read_record(root, name, card.version)
    if record is None or not line.isascii() or not line.isdigit() or not 1 <= int(line) <= record["rows"]:
        raise UnknownRowError(f"model {card.version} has not predicted line {line[:20]} of {name}")
    number = int(line)
    try:
        text = read_bytes(layout.prediction_file(root, card.version, name)).decode().split("\n")[number - 1]
    except FileNotFoundError:
        raise UnknownRowError(f"the predictions of model {card.version} for {name} were removed") from None
    user, movie, _ = text.split(" ")
    made = MadeBy(
        "ratings_predict", record["dag_run_id"], "predict", record.get("code"), {"model": card.version, "file": name}
    )
    pair = Source(
        "pair",
        f"ratings/streaming/{name}",
        sha256=record["streaming_sha256"],
        selector=at(f"line={number}"),
        value=_pair(root, name, record["streaming_sha256"], number),
    )
    sources = [pair, *_terms(stored, card, user, movie), _model_source(card)]
    return Record(str(row), text, made, sources)


def _pair(root: StoragePath, name: str, sha256: str, number: int) -> str | None:
    """Return a line of a landed file; `None`: the file is no longer what was predicted."""
    try:
        return read_bytes(layout.landed_file(root, "streaming", name), sha256).decode().splitlines()[number - 1]
    except (OSError, DamagedObjectError, LookupError):
        return None


def _model_source(card: "ModelVersion") -> Source:
    row = str(Row("ratings", ("models", str(card.version))))
    return Source("model", card.artefact, version=str(card.version), sha256=card.sha256, row=row)


def _terms(stored: Stored, card: "ModelVersion", user: str, movie: str) -> list[Source]:
    """
    Return the terms of an estimate, in stars, and the ratings that they were fitted on.

    The terms in their order add up to the estimate before it is cut to the scale. The fit weighs all ratings together,
    so no single one has a share of its own: each has an equal part of the term of its user or movie.
    """
    try:
        model = _load(stored(card.artefact), card.sha256)
    except FileNotFoundError:
        return []  # a former model that was removed
    terms = estimate_terms(model, user, movie)
    found = [
        Source("term", card.artefact, str(card.version), card.sha256, equal(term=name), share, {"term": name})
        for name, share in terms.items()
    ]
    trainset = model.trainset
    for kind, term in (("user", "user_bias"), ("movie", "movie_bias")):
        inner_ids, others = (
            (trainset._raw2inner_id_users, trainset.ur)
            if kind == "user"
            else (trainset._raw2inner_id_items, trainset.ir)
        )
        known = inner_ids.get(user if kind == "user" else movie)
        rated = others[known] if known is not None else []
        part = terms[term] / len(rated) if rated and term in terms else None
        for other, stars in rated:
            rating_user = user if kind == "user" else trainset.to_raw_uid(other)
            rating_movie = trainset.to_raw_iid(other) if kind == "user" else movie
            found.append(_rating_source(card, kind, rating_user, rating_movie, float(stars), part))
    return found


def _rating_source(card: "ModelVersion", kind: str, user: str, movie: str, stars: float, part: float | None) -> Source:
    return Source(
        f"rating of the {kind}",
        "ratings/training_table",
        version=str(cards.training_version(card)),
        sha256=None,
        selector=equal(user=user, movie=movie),
        share=part,
        value={"user": user, "movie": movie, "stars": stars},
        row=str(Row("ratings", ("ratings", str(card.version), user, movie))),
    )


def estimate_terms(model: "AlgoBase", user: str, movie: str) -> dict[str, float]:
    """
    Return the terms of a model's estimate, in stars; added in their order they are the estimate, to the last bit.

    The terms of a matrix factorization are `mean`, `user_bias`, `movie_bias` and `taste`, the product of the factors of
    both (Koren, Bell and Volinsky 2009, equation 4); those of baselines lack the last one. Any other estimate is one
    term, `estimate`.
    """
    predicted = model.predict(user, movie, clip=False)
    whole = {"estimate": float(predicted.est)}
    if predicted.details["was_impossible"]:
        return {"mean": float(predicted.est)}
    kind = type(model).__name__
    if kind != "BaselineOnly" and not (kind == "SVD" and getattr(model, "biased", False)):
        return whole
    trainset: Any = model.trainset
    u, i = trainset._raw2inner_id_users.get(user), trainset._raw2inner_id_items.get(movie)
    fitted: Any = model
    terms = {"mean": float(trainset.global_mean)}
    if u is not None:
        terms["user_bias"] = float(fitted.bu[u])
    if i is not None:
        terms["movie_bias"] = float(fitted.bi[i])
    if u is not None and i is not None and kind == "SVD":
        terms["taste"] = float(fitted.qi[i] @ fitted.pu[u])
    total = 0.0
    for term in terms.values():
        total += term
    return terms if total == whole["estimate"] else whole


def _explain_model(row: Row, card: "ModelVersion") -> Record:
    tags = card.tags
    names = ("algorithm", "options", "seed", "surprise", "numpy", "training_fingerprint")
    made = MadeBy(
        "ratings_train", tags["dag_run_id"], "train", tags.get("quartet"), {name: tags[name] for name in names}
    )
    sources = [
        Source("base data", f"ratings/base/{tags['base_sha256']}.data", sha256=tags["base_sha256"]),
        Source("submitted ratings", "ratings/training_table", version=str(cards.training_version(card))),
    ]
    return Record(str(row), {"model": card.version, "metrics": card.metrics}, made, sources)


def _explain_rating(store: Store, row: Row, card: "ModelVersion", user: str, movie: str) -> Record:
    version = cards.training_version(card)
    try:
        place = _places(store, card.tags["base_sha256"], version).get((user, movie))
    except UnknownVersionError as error:
        raise UnknownRowError(str(error)) from None
    if place is None:
        raise UnknownRowError(f"model {card.version} was not trained on a rating of {movie} by {user}")
    file, line, run, stars, timestamp = place
    value = {"user": user, "movie": movie, "stars": stars, "timestamp": timestamp}
    sha256 = None if file else card.tags["base_sha256"]
    uri = f"ratings/training/{file}" if file else f"ratings/base/{sha256}.data"
    source = Source("line", uri, sha256=sha256, selector=at(f"line={line}"), value=value)
    return Record(str(row), value, MadeBy("ratings_train", run, "ingest"), [source])


@lru_cache(maxsize=2)
def _load(path: StoragePath, sha256: str) -> "AlgoBase":
    from include.ratings.models import training

    return training.load(path, sha256)


def _places(store: Store, base_sha256: str, version: int) -> dict[tuple[str, str], Place]:
    """Return where each rating of a version of the training data was submitted: (user, movie) → place."""
    return _cached_places(_ByUrl(store.url, store), base_sha256, version)


class _ByUrl(tuple[str, Store]):
    """A store that is compared by its URL only, as a key of a cache."""

    def __new__(cls, url: str, store: Store) -> "_ByUrl":
        return super().__new__(cls, (url, store))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByUrl) and self[0] == other[0]

    def __hash__(self) -> int:
        return hash(self[0])


@lru_cache(maxsize=2)
def _cached_places(key: _ByUrl, base_sha256: str, version: int) -> dict[tuple[str, str], Place]:
    store = key[1]
    places: dict[tuple[str, str], Place] = {}
    for line, row in enumerate(base.load(store.path, base_sha256).rows, start=1):
        places[row.user, row.movie] = ("", line, None, row.stars, row.timestamp)
    names = ["user", "movie", "file", "line", "run", "stars", "timestamp", "commit"]
    table = Ledger(layout.training_table(store)).read(version, names)
    table = table.sort_by([("commit", "ascending"), ("file", "ascending"), ("line", "ascending")])
    for user, movie, file, line, run, stars, timestamp, _ in zip(*(table[n].to_pylist() for n in names), strict=True):
        places[user, movie] = (file, line, run, stars, timestamp)
    return places


def _card(root: StoragePath, version: str) -> "ModelVersion":
    known = version.isascii() and version.isdigit() and len(version) < 10
    card = cards.read_card(root, int(version)) if known else None
    if card is None:
        raise UnknownRowError(f"there is no model {version[:20]}")
    return card
