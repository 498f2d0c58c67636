"""
The article recommendations as a single plain program with pandas and loops, independent of the platform.

It keeps everything in memory, reads line by line and compares all articles with each other, as an analyst would write
it in an afternoon. The benchmark compares the pipeline's time and lists with its own.
"""

import gzip
import json
import re
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import linalg, sparse, stats

CONTEXT = "contexts_dev_amp_snowplow_amp_id_1"


def run(
    folder: Path,
    articles: pd.DataFrame,
    run_at: datetime,
    days: int = 28,
    model: str = "als",
    *,
    domain: str = "washingtoncitypaper.com",
    max_recs: int = 20,
    max_gap_seconds: float = 600,
    min_reader_seconds: float = 60,
    min_articles_per_reader: int = 2,
    min_readers_per_article: int = 2,
    dwell_half_life_days: float = 59.631698,
    defaults_half_life_days: float = 10,
    recs_half_life_days: float = 30,
    defaults_window_interactions: int = 5000,
    defaults_confidence: float = 0.95,
    factors: int = 130,
    regularization: float = 2.319952,
    epochs: int = 2,
    random_seed: int = 42,
    damping: float = 100,
    topics: int = 32,
    topic_share: float = 0.1,
) -> dict[str, Any]:
    """
    Recommend from the events below *folder*.

    Args:
        folder: root of the archive; the objects are below `enriched/good/YYYY/MM/DD/`.
        articles: columns `external_id` (text), `article_id` and `published_at` (with zone).
        run_at: with zone; nothing later counts.
        days: UTC dates read, which end with that of *run_at*.
        model: `als`, `cooccurrence`, `blend` or `next`, which has its default settings.
        damping: of the latter two: the weight of the readers that each article is given for itself.
        topics, topic_share: of `blend`: the number of eigenvectors and their weight.

    Returns:
        `interactions`: `client_id`, `external_id`, `session_date`, `dwell_seconds`, `last_activity_time`, `article_id`,
        `published_at`, ordered by the first three. `defaults`: `target`, `rank`, `score`. `recommendations`: `source`,
        `rank`, `target`, `ranked` (not rounded), `score`. `seconds`: step → time taken. The tables are empty when no
        reading is left.
    """
    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def done(step: str) -> None:
        nonlocal began
        now = time.perf_counter()
        seconds[step], began = now - began, now

    df = read(folder, run_at, days)
    done("read")

    df = df[df["path"].notna() & ~df["path"].str.contains("emailnewsletter", na=False)]
    rule = rf"^(?:/[vc]/s/{re.escape(domain)})?/article/([0-9]+)/\S"
    df["external_id"] = df["path"].str.extract(rule, expand=False).str.replace(r"^0+(?=\d)", "", regex=True)
    df = df[df["external_id"].isin(articles.loc[articles["published_at"].notna(), "external_id"])]
    df = core(df, min_articles_per_reader, min_readers_per_article)
    events = df
    done("filter")

    df = df.sort_values(["client_id", "path", "time"])
    following = df.groupby(["client_id", "path"])["time"].shift(-1)
    df["duration"] = (following - df["time"]).dt.total_seconds()
    df = df[(df["duration"] > 0) & (df["duration"] <= max_gap_seconds)]
    total = df.groupby("client_id")["duration"].transform("sum")
    df = df[total.round(3) >= min_reader_seconds]
    df = core(df, min_articles_per_reader, min_readers_per_article)
    df["session_date"] = df["time"].dt.tz_localize(None).dt.normalize()
    interactions = df.groupby(["client_id", "external_id", "session_date"], as_index=False).agg(
        dwell_seconds=("duration", "sum"), last_activity_time=("time", "max")
    )
    interactions = interactions.merge(articles, on="external_id")
    interactions = interactions.sort_values(["client_id", "external_id", "session_date"], ignore_index=True)
    done("dwell")

    age = (run_at - articles.set_index("external_id")["published_at"]).dt.total_seconds().clip(lower=0) / 86_400
    defaults = popular(
        interactions, 0.5 ** (age / defaults_half_life_days), defaults_window_interactions, defaults_confidence
    )
    defaults = defaults.head(max_recs)
    done("defaults")

    results = {"interactions": interactions, "defaults": defaults, "seconds": seconds}
    columns = ["source", "rank", "target", "ranked", "score"]
    if interactions.empty:
        return results | {"recommendations": pd.DataFrame(columns=columns)}

    today = pd.Timestamp(run_at.astimezone(UTC).date())
    ago = (today - interactions["session_date"]).dt.days
    times = interactions.assign(decayed=interactions["dwell_seconds"] * 0.5 ** (ago / dwell_half_life_days))
    times = times.groupby(["client_id", "external_id"], as_index=False)["decayed"].sum()
    times["log"] = np.log1p(times["decayed"])
    times["scaled"] = times["log"] / times.groupby("external_id")["log"].transform("max")
    readers, ids = sorted(times["client_id"].unique()), sorted(times["external_id"].unique())
    if model == "next":
        ids = sorted(events["external_id"].unique())
    rows = times["client_id"].map({reader: row for row, reader in enumerate(readers)})
    cols = times["external_id"].map({external_id: column for column, external_id in enumerate(ids)})
    confidence = sparse.csr_matrix((1 + times["scaled"], (rows, cols)), shape=(len(readers), len(ids)))
    done("matrix")

    if model == "als":
        similarity = by_factors(confidence, factors, regularization, epochs, random_seed)
    elif model == "cooccurrence":
        similarity = by_readers(confidence, damping)
    elif model == "blend":
        similarity = by_readers(confidence, damping) + topic_share * by_topics(confidence, topics)
        lengths = np.sqrt(similarity.diagonal())
        similarity = similarity / lengths[:, None] / lengths[None, :]
    elif model == "next":
        similar = (by_readers(confidence, damping) + topic_share * by_topics(confidence, topics)) / (1 + topic_share)
        similarity = 0.9 * by_sessions(events, ids, run_at) + 0.1 * similar
    else:
        raise ValueError(f"als, cooccurrence, blend or next was expected, found {model!r}")
    done("train")

    ranked = similarity * (0.5 ** (age / recs_half_life_days)).loc[ids].to_numpy()[None, :]
    np.fill_diagonal(ranked, -np.inf)
    lists = []
    for position, source in enumerate(ids):
        best = np.argsort(-ranked[position], kind="stable")[: min(max_recs, len(ids) - 1)]
        for rank, target in enumerate(best, start=1):
            value = ranked[position, target]
            lists.append((source, rank, ids[target], value, round(min(max(value, 0.0), 1.0), 6)))
    recommendations = pd.DataFrame(lists, columns=columns)
    done("rank")
    return results | {"recommendations": recommendations}


def by_factors(
    confidence: sparse.csr_matrix, factors: int, regularization: float, epochs: int, seed: int
) -> np.ndarray:
    """Compare all articles by matrix factorisation."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=1.0,
            iterations=epochs,
            dtype=np.float64,
            use_cg=False,
            random_state=seed,
        )
        als.fit(confidence, show_progress=False)
    return cosines(als.item_factors)


def by_readers(confidence: sparse.csr_matrix, damping: float) -> np.ndarray:
    """Compare all articles by the readers that they have in common."""
    read_by_reader = np.diff(confidence.indptr)
    weighted = sparse.diags(1 / np.sqrt(np.log(1 + read_by_reader))) @ confidence
    common = (weighted.T @ weighted).toarray()
    lengths = np.sqrt(common.diagonal() + damping)
    lengths[lengths == 0] = 1  # of an article without dwell
    similarity = common / lengths[:, None] / lengths[None, :]
    np.fill_diagonal(similarity, 1)
    return similarity


def by_topics(confidence: sparse.csr_matrix, topics: int) -> np.ndarray:
    """Compare all articles by the articles that they have readers in common with."""
    common = by_readers(confidence, damping=0)
    first = max(len(common) - topics, 0)
    values, vectors = linalg.eigh(common, subset_by_index=[first, len(common) - 1])
    return cosines(vectors * values)


def by_sessions(events: pd.DataFrame, ids: list[str], run_at: datetime) -> np.ndarray:
    """Score all articles by what followed them in sessions and what is popular now."""
    sessions: list[list[tuple[str, float]]] = []
    for _, own in events.sort_values(["client_id", "time", "external_id"]).groupby("client_id"):
        opened, last_article, last_event = None, "", None
        for article, time_ in zip(own["external_id"], own["time"], strict=True):
            pause = last_event is None or (time_ - last_event).total_seconds() > 1800
            if pause or article != last_article:
                if opened is None or (time_ - opened).total_seconds() > 1800:
                    sessions.append([])
                opened = time_
                if article not in [each for each, _ in sessions[-1]]:
                    sessions[-1].append((article, (run_at - time_).total_seconds() / 3600))
            last_article, last_event = article, time_
    ages = {article: sorted(a for session in sessions for each, a in session if each == article) for article in ids}
    every = sorted(age for of_article in ages.values() for age in of_article)
    taus = {article: max(3.0, found[:50][-1]) for article, found in ages.items()}
    half_life = max(0.5, every[:1000][-1])
    recent = {article: sum(0.5 ** (age / half_life) for age in found) for article, found in ages.items()}
    usual = len(every) / every[-1] * half_life / np.log(2) * (1 - 0.5 ** (every[-1] / half_life))
    shares = {article: value / max(sum(recent.values()), usual) for article, value in recent.items()}
    held = min(1.0, sum(sorted(shares.values())[-20:]) / 0.6) ** 3
    popular = [shares[i] * min(1.0, shares[i] / (4 * len(ages[i]) / len(every))) * held for i in ids]
    scores = np.zeros((len(ids), len(ids))) + 150 * np.array(popular)
    total = np.full(len(ids), 150.0)
    for session in sessions:
        for one, (source, age) in enumerate(session):
            if age > ages[source][:500][-1]:
                continue
            weight = np.exp(-age / taus[source])
            total[ids.index(source)] += weight
            for two in range(one + 1, min(one + 11, len(session))):
                target, later = session[two]
                if later < age:
                    scores[ids.index(source), ids.index(target)] += weight * np.exp(-(two - one - 1) / 2)
    return scores / total[:, None]


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Compare all rows; one that is 0 is like none."""
    lengths = np.linalg.norm(vectors, axis=1)[:, None]
    unit = np.where(lengths > 1e-9, vectors / np.where(lengths > 0, lengths, 1), 0)
    return unit @ unit.T


def read(folder: Path, run_at: datetime, days: int) -> pd.DataFrame:
    """Read `client_id`, `path` and `time` of all events of the dates that have a reader and a time."""
    last = run_at.astimezone(UTC).date()
    dates = [last - timedelta(days=ago) for ago in range(days)]
    frames = [pd.DataFrame({"client_id": [], "path": [], "time": []}, dtype=str)]
    for day in dates:
        for name in sorted((folder / f"enriched/good/{day:%Y/%m/%d}").rglob("*.gz")):
            frames.append(pd.DataFrame(read_file(name), columns=["client_id", "path", "time"], dtype=str))
    df = pd.concat(frames, ignore_index=True)
    df["time"] = pd.to_datetime(df["time"], utc=True, format="ISO8601", errors="coerce").dt.floor("ms")
    return df[(df["time"] >= pd.Timestamp(dates[-1], tz="UTC")) & (df["time"] <= run_at)]


def read_file(name: Path) -> list[tuple[str, str | None, str]]:
    """Read the reader, the path and the time of the events in one file; a broken file has none."""
    rows = []
    try:
        with gzip.open(name, "rt", encoding="utf-8") as file:
            for line in file:
                try:
                    record = json.loads(line)
                    row = (record[CONTEXT][0]["ampClientId"], record.get("page_urlpath"), record["collector_tstamp"])
                    if row[0]:
                        rows.append(row)
                except (ValueError, KeyError, IndexError, TypeError):
                    continue
    except (OSError, EOFError, zlib.error):
        return []
    return rows


def core(df: pd.DataFrame, min_articles: int, min_readers: int) -> pd.DataFrame:
    """Drop readers of few articles and articles of few readers until there are none."""
    pairs = df[["client_id", "external_id"]].drop_duplicates()
    while True:
        before = len(pairs)
        pairs = pairs[pairs.groupby("client_id")["external_id"].transform("size") >= min_articles]
        pairs = pairs[pairs.groupby("external_id")["client_id"].transform("size") >= min_readers]
        if len(pairs) == before:
            break
    return df.merge(pairs, on=["client_id", "external_id"])


def popular(interactions: pd.DataFrame, weights: pd.Series, window: int, confidence: float) -> pd.DataFrame:
    """Order the articles by how long they surely hold a reader, and by age."""
    latest = interactions.sort_values(
        ["last_activity_time", "client_id", "external_id"], ascending=[False, True, True]
    ).head(window)
    pageviews = latest.groupby(["external_id", "client_id"], as_index=False)["dwell_seconds"].sum()
    rows = []
    for article, dwell in pageviews.groupby("external_id")["dwell_seconds"]:
        n, mean = len(dwell), dwell.mean()
        lower = mean - stats.t.ppf(confidence, n - 1) * dwell.std() / n**0.5 if n > 1 else float("nan")
        rows.append((article, mean, lower))
    df = pd.DataFrame(rows, columns=["target", "mean", "lower"]).astype({"mean": float, "lower": float})
    df["raw"] = df["lower"].where(df["lower"] > 0) if (df["lower"] > 0).any() else df["mean"]
    df["raw"] *= df["target"].map(weights)
    df = df.dropna(subset="raw").sort_values(["raw", "target"], ascending=[False, True], ignore_index=True)
    df["rank"] = df.index + 1
    df["score"] = (df["raw"] / df["raw"].max()).round(6)
    return df[["target", "rank", "score"]]
