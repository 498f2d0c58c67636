"""Quality of the lists of related articles: articles that readers read next, and topics that a generator planted.

A *sample* consists of a matrix to train on and questions: a reader's last article is held out and looked up in the list
of the article before it. nDCG@10 of a question is `1 / log2(1 + rank)` if the held-out article is among the first ten
of that list, otherwise 0.

- Readers of fewer than three articles are used for training but not for questions: they need two besides the held-out.
- An article read again counts at its first reading; all events of the reader with the held-out article are removed.
- Questions whose source or held-out article is not in the matrix (it had only these readers, or none after the filters)
  cannot be answered by any model. They are left out and counted.
- Lists do not depend on the reader and may contain articles already read. This holds for popularity too.
- The publication times of these articles are unknown, so all weights are 1.
- `next` also sees when articles were opened.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy import sparse

from include.articles.events import archive
from include.articles.events.hosts import Hosts
from include.articles.interactions import dwell, filters, identity, readings
from include.articles.models import matrix
from include.articles.models.ranking import rank_recommendations
from include.articles.models.sequence import Readings
from include.articles.models.training import MODELS, OF_READINGS
from include.articles.models.weights import get_weights
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters import adapter_of
from include.articles.sites.configuration import shipped_sites

TOP = 10
IDLE_MS = 600_000
SETTINGS = ArticleSettings.model_construct()


@dataclass(frozen=True)
class Sample:
    """
    A matrix to train on, and questions.

    Args:
        articles: ids, ascending as text.
        matrix: scaled dwell, shape (readers, articles).
        questions: one row per reader with a question; columns `source` and `target`.
        left_out: number of questions that no model can answer.
        opened: columns `client_id`, `external_id` and `read_at`, as of `find_readings`.
        run_at: the instant of the run; by default that of the last reading.
    """

    articles: np.ndarray
    matrix: sparse.csr_matrix
    questions: pd.DataFrame
    left_out: int
    opened: pd.DataFrame
    run_at: pd.Timestamp | None = None


def load_globo(folder: Path) -> pd.DataFrame:
    """
    Read the clicks of G1 (Globo.com), 2017, as clicks: columns `reader`, `article`, `ms`.

    The last click of a session is left out: its time is artificial, 30 s after the one before.
    """
    columns = ["user_id", "session_id", "click_article_id", "click_timestamp"]
    clicks = pd.concat([pd.read_csv(path, usecols=columns) for path in sorted(folder.glob("*.csv"))])
    clicks = clicks.sort_values(["session_id", "click_timestamp", "click_article_id"])
    clicks = clicks[clicks.duplicated("session_id", keep="last")]
    return _clicks(clicks["user_id"], clicks["click_article_id"], clicks["click_timestamp"])


def load_deskdrop(path: Path) -> pd.DataFrame:
    """Read the events of a company's intranet, 2016, as clicks: columns `reader`, `article`, `ms`."""
    found = pd.read_csv(path, usecols=["personId", "contentId", "timestamp"])
    return _clicks(found["personId"], found["contentId"], found["timestamp"] * 1000)


def _clicks(readers: pd.Series, articles: pd.Series, ms: pd.Series) -> pd.DataFrame:
    clicks = pd.DataFrame({"reader": readers.astype(str), "article": articles.astype(str), "ms": ms})
    return clicks.sort_values(["reader", "ms", "article"], ignore_index=True)


def hold_out_last(clicks: pd.DataFrame) -> Sample:
    """Build a sample that holds out the last article of each reader of three or more."""
    first = clicks.drop_duplicates(["reader", "article"])
    first = first[first.groupby("reader")["article"].transform("size") >= 3]
    held = first.groupby("reader").tail(1)
    sources = first.drop(held.index).groupby("reader").tail(1)
    pairs = pd.MultiIndex.from_frame(clicks[["reader", "article"]])
    held_pairs = pd.MultiIndex.from_frame(held[["reader", "article"]])
    rest = clicks[~pairs.isin(held_pairs)]
    return _sample(interactions_of(rest), held, sources, rest)


def hold_out_future(clicks: pd.DataFrame, share: float = 0.8) -> Sample:
    """Build a sample that trains on the earliest *share* of readings and holds out each reader's next article."""
    first = clicks.drop_duplicates(["reader", "article"])
    instant = first["ms"].quantile(share)
    before = first[first["ms"] < instant]
    held = first[first["ms"] >= instant].groupby("reader").head(1)
    rest = clicks[clicks["ms"] < instant]
    return _sample(interactions_of(rest), held, before.groupby("reader").tail(1), rest)


def interactions_of(clicks: pd.DataFrame) -> pd.DataFrame:
    """Build interactions with the steps of a run; an article is read until the next click, 600 s at most."""
    following = clicks["ms"].shift(-1).where(clicks["reader"].eq(clicks["reader"].shift(-1)), np.inf)
    until = np.minimum(following, clicks["ms"] + IDLE_MS).astype(np.int64)
    events = pd.concat([clicks, clicks.assign(ms=until)], ignore_index=True)
    times = pd.to_datetime(events["ms"], unit="ms", utc=True)
    events = pd.DataFrame(
        {
            "client_id": events["reader"].astype("category"),
            "external_id": events["article"].astype("category"),
            "landing_page_path": ("/article/" + events["article"]).astype("category"),
            "activity_time": times,
            "session_date": times.dt.tz_localize(None).dt.normalize(),
            "event_category": pd.NA,
            "event_action": pd.NA,
        }
    )
    events = filters.filter_articles(filters.filter_flyby_users(events))
    timed = filters.filter_activities(dwell.time_activities(dwell.fix_dtypes(events)))
    return dwell.build_interactions(filters.filter_articles(timed))


def open_articles(clicks: pd.DataFrame) -> pd.DataFrame:
    """Return clicks as events whose readings `next` learns from."""
    times = pd.to_datetime(clicks["ms"], unit="ms", utc=True)
    events = pd.DataFrame({"client_id": clicks["reader"], "external_id": clicks["article"], "activity_time": times})
    return readings.find_readings(events.astype({"client_id": "category", "external_id": "category"}))


def _sample(interactions: pd.DataFrame, held: pd.DataFrame, sources: pd.DataFrame, clicks: pd.DataFrame) -> Sample:
    last = interactions["session_date"].max()
    _, articles, seconds = matrix.aggregate_times(interactions, last, SETTINGS.dwell_half_life_days)
    questions = held.merge(sources, on="reader", suffixes=("_held", "_source"))
    questions = questions.rename(columns={"article_source": "source", "article_held": "target"})[["source", "target"]]
    known = questions["source"].isin(articles) & questions["target"].isin(articles)
    opened = open_articles(clicks[clicks["article"].isin(articles)])
    return Sample(articles, matrix.scale_matrix(seconds), questions[known], int((~known).sum()), opened)


def load_lastfm(path: Path, seed: int) -> Sample:
    """
    Read the play counts of last.fm listeners, 2011, with plays in place of seconds.

    There are no times: one artist of each listener, chosen by *seed*, is held out, and another one is the source; all
    was played at once.
    """
    plays = pd.read_csv(path, sep="\t").astype({"userID": str, "artistID": str})
    plays = plays.rename(columns={"userID": "reader", "artistID": "article"}).sample(frac=1, random_state=seed)
    enough = plays[plays.groupby("reader")["article"].transform("size") >= 3]
    held = enough.groupby("reader").tail(1)
    sources = enough.drop(held.index).groupby("reader").tail(1)
    names = {"reader": "client_id", "article": "external_id", "weight": "dwell_seconds"}
    rest = plays.drop(held.index)
    interactions = filters.filter_articles(rest.rename(columns=names))
    return _sample(interactions.assign(session_date=pd.Timestamp("2011-01-01")), held, sources, rest.assign(ms=0))


def load_planted(folder: Path, run_at: pd.Timestamp) -> tuple[Sample, pd.Series, pd.Series]:
    """
    Read a generated archive's truth: a sample without questions, and topics and weights of the articles.

    The interactions are the generator's own and go through the filters of a run; readings are read from its events.
    """
    read = pd.read_csv(folder / "truth" / "interactions.csv.gz", dtype={"client_id": str, "external_id": str})
    read = filters.filter_articles(read.assign(duration=read["dwell_seconds"]))
    read = filters.filter_articles(filters.filter_activities(read, max_gap_seconds=np.inf))
    dates = pd.to_datetime(read["session_date"])
    days = SETTINGS.dwell_half_life_days
    _, ids, seconds = matrix.aggregate_times(read.assign(session_date=dates), run_at.date(), days)
    articles = pd.read_json(folder / "truth" / "articles.jsonl", lines=True, dtype={"external_id": str})
    articles = articles.set_index("external_id").loc[ids]
    weights = get_weights(articles["published_at"], run_at, SETTINGS.recs_half_life_days)
    opened = _read_events(folder, run_at)
    opened = readings.find_readings(opened[opened["external_id"].isin(ids)])
    nothing = pd.DataFrame({"source": [], "target": []})
    return Sample(ids, matrix.scale_matrix(seconds), nothing, 0, opened, run_at), articles["topic"], weights


def _read_events(folder: Path, run_at: pd.Timestamp) -> pd.DataFrame:
    """Read the events of a generated archive as the first steps of a run do."""
    site = shipped_sites()["washington-city-paper"]
    hosts, instant = Hosts(site.all_hosts), run_at.to_pydatetime()
    with TemporaryDirectory() as extracts:
        manifest = archive.collect(folder, Path(extracts), instant, SETTINGS, hosts=hosts)
        found = archive.load(folder, Path(extracts), manifest, instant, SETTINGS, hosts)
    return identity.add_external_ids(filters.filter_emailnewsletter(found), adapter_of(site))


def related(sample: Sample, model: str, weights: pd.Series | None = None, length: int = TOP) -> pd.DataFrame:
    """Return the list of each article after training *model*: columns `source`, `target`, `rank`."""
    run_at = sample.run_at or sample.opened["read_at"].max()
    coded = readings.code_readings(sample.opened, sample.articles)
    opened = Readings(*coded, round(run_at.timestamp() * 1e6)) if model in OF_READINGS else None
    vectors = MODELS[model](sample.matrix, SETTINGS, opened)
    weight = np.ones(len(sample.articles)) if weights is None else weights.to_numpy()
    return rank_recommendations(vectors, sample.articles.tolist(), weight, length)


def popular(sample: Sample) -> pd.DataFrame:
    """Return for each article the list of the most read ones, without itself: columns `source`, `target`, `rank`."""
    readers = np.bincount(sample.matrix.indices, minlength=len(sample.articles))
    top = sample.articles[np.argsort(-readers, kind="stable")[: TOP + 1]]
    rows = [
        (source, target, rank)
        for source in sample.articles
        for rank, target in enumerate(top[top != source][:TOP], start=1)
    ]
    return pd.DataFrame(rows, columns=["source", "target", "rank"])


def ndcg(lists: pd.DataFrame, questions: pd.DataFrame) -> np.ndarray:
    """Return nDCG@10 of each question."""
    rank = questions.merge(lists, on=["source", "target"], how="left")["rank"].to_numpy(float)
    return np.where(rank <= TOP, 1 / np.log2(1 + rank), 0.0)


def planted_share(lists: pd.DataFrame, topics: pd.Series) -> float:
    """Return the share of recommended articles that have the topic of their source."""
    return float((topics.loc[lists["source"]].to_numpy() == topics.loc[lists["target"]].to_numpy()).mean())


def evaluate(samples: list[Sample]) -> Iterator[tuple[str, float, float, float]]:
    """
    Yield a comparison of each model with popularity, on samples of one source.

    Each has the model's name (popularity first), its mean nDCG@10, the mean difference to popularity and the standard
    error of the difference. Samples that differ only in the held-out articles are averaged; the error is that of one.
    """
    base = [ndcg(popular(sample), sample.questions) for sample in samples]
    yield "popularity", _mean(base), 0.0, 0.0
    for name in MODELS:
        found = [ndcg(related(sample, name), sample.questions) for sample in samples]
        more = [own - popular for own, popular in zip(found, base, strict=True)]
        yield name, _mean(found), _mean(more), float(np.mean([each.std() / np.sqrt(len(each)) for each in more]))


def _mean(values: list[np.ndarray]) -> float:
    return float(np.mean([each.mean() for each in values]))
