"""Generator of a fictitious news site for the demo and the tests: articles, readers, and the archive of events."""

import gzip
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from include.articles import layout

DOMAIN = "demo-gazette.example"
STREAM = "DemoGazetteSnowplow-StreamEnrichStreams-Xy3kQ9aBcD2f"
PLACES = ("Northgate", "Harbor Hill", "Old Mill", "Riverside", "Elm Park", "Eastfield", "Stone Bridge", "Westlake")
TOPICS = {
    "city hall": "Mayor,Council,Zoning Board,Auditor:Delays the Vote,Backs a Rent Cap,Rejects a Tower,Opens the Books",
    "food": "Bakery,Ramen Bar,Taqueria,Diner:Opens,Closes After Ten Years,Adds a Brunch,Gets a New Chef",
    "music": "Jazz Club,Record Store,Choir,Brass Band:Announces a Season,Sells Out Twice,Plays for Free,Cuts an Album",
    "schools": "High School,Kindergarten,School Board,College:Gets New Rooms,Debates Phones,Wins a Grant,Seeks Tutors",
    "sports": "Rowing Team,Soccer Club,Marathon,Derby Squad:Wins the Cup,Draws a Crowd,Needs a Coach,Breaks a Record",
    "transit": "Bus Line,Ferry,Bike Lane,Streetcar:Runs Late Again,Is Rerouted,Raises Its Tolls,Starts Night Service",
}
"""Topic → subjects and predicates; with a place they make a title."""
LOYALTY = 0.95
"""Share of visits to the reader's own topic; the others go to any topic."""
ARTICLE_AGE_DAYS, FRESH_DAYS = 20, 6
"""Mean age of an article at the end; age at which it has half as many readers."""
RENAMED = 20
"""One article in this many had another slug before, which most links still use."""
EVENTS_PER_VISIT, PING_SECONDS = 9, 10
PAUSES, PAUSE_SECONDS = 0.004, 1500
"""Share of pings that come after a pause, and its mean."""
AMP, TRACKED, ELSEWHERE, NEWSLETTER, NO_PATH = 0.2, 0.02, 0.03, 0.01, 0.005
"""Shares of visits: to an AMP alias, with a query in the path, to other pages, to a newsletter, without a path."""
NO_CLIENT, TWICE, LATE = 0.005, 0.005, 0.01
"""Shares of events: without a reader, delivered twice, delivered up to 16 hours late."""
PAGES = ("/", "/news/", "/food/", "/author/staff/", "/food/article/20830693/an-old-path/")
MALFORMED = ('{"app_id":"demo-gazette","collector_tst', "no event")
"""Bad lines at the end of the first and of the last object."""
DAY_MS, HOUR_MS = 86_400_000, 3_600_000


@dataclass(frozen=True)
class NewsSite:
    """Tables of a generated site; times are UTC."""

    articles: pd.DataFrame
    """Columns `external_id`, `title`, `topic`, `slug`, `old_slug` (or None), `published_at`; oldest first."""
    readers: pd.DataFrame
    """Columns `client_id`, `topic`."""
    events: pd.DataFrame
    """Columns `event_id`, `at`, `delivered_at`, `client_id` and `path` (or None), `engaged_seconds` (0: page view)."""


def make(
    articles: int = 300, readers: int = 1500, events: int = 60_000, days: int = 14, *, end: datetime, seed: int = 7
) -> NewsSite:
    """
    Generate a site; deterministic, but another *end* gives other articles and readers.

    Args:
        articles: number of articles, 6 or more.
        readers: number of readers, 1 or more.
        events: approximate number of events.
        days: number of UTC dates with events, that of *end* included.
        end: end of the archive, with a time zone; nothing was published or delivered later.
        seed: seed of all random numbers.
    """
    end_ms = int(end.timestamp() * 1000)
    random = np.random.default_rng([seed, end_ms])
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"))
    clients = ["amp-" + "".join(each) for each in letters[random.integers(0, len(letters), (readers, 22))]]
    audience = pd.DataFrame({"client_id": clients, "topic": random.choice(list(TOPICS), readers)})
    published = _articles(random, articles, days, end_ms)
    first_ms = end_ms - end_ms % DAY_MS - (days - 1) * DAY_MS
    at = random.integers(first_ms, end_ms, max(round(events / EVENTS_PER_VISIT), 1))
    visits = _visits(random, published, audience, at)
    return NewsSite(published, audience, _events(random, visits, end_ms))


def write(site: NewsSite, folder: Path) -> int:
    """
    Write the events in the layout of Snowplow's enriched stream: one object per hour of delivery.

    Args:
        site: the generated site.
        folder: root of the archive.

    Returns:
        The number of objects.
    """
    hours = list(site.events.groupby(site.events["delivered_at"].dt.floor("h")))
    for number, (_, events) in enumerate(hours):
        lines = [json.dumps(each, separators=(",", ":")) for each in _records(events)]
        lines += [MALFORMED[0]] * (number == 0) + [MALFORMED[1]] * (number == len(hours) - 1)
        delivered = events["delivered_at"].max()
        name = f"{STREAM}-1-{delivered:%Y-%m-%d-%H-%M-%S}"
        hour = folder / layout.delivery_folder(delivered) / f"{delivered:%H}"
        hour.mkdir(parents=True, exist_ok=True)
        data = gzip.compress("".join(f"{line}\n" for line in lines).encode(), 6, mtime=0)
        (hour / f"{name}-{uuid.uuid5(uuid.NAMESPACE_DNS, name)}.gz").write_bytes(data)
    return len(hours)


def _articles(random: np.random.Generator, count: int, days: int, end_ms: int) -> pd.DataFrame:
    age_days = random.exponential(ARTICLE_AGE_DAYS, count) + 0.1
    age_days[: len(TOPICS)] += days  # every topic has an article on the first day
    topic = np.resize(list(TOPICS), count)
    titles = np.empty(count, dtype=object)
    for each, ideas in TOPICS.items():
        who, what = (part.split(",") for part in ideas.split(":"))
        all_titles = random.permutation([" ".join(parts) for parts in product(PLACES, who, what)])
        ours = np.flatnonzero(topic == each)
        parts = [divmod(number, len(all_titles)) for number in range(len(ours))]
        titles[ours] = [all_titles[at] + (f", Part {part + 1}" if part else "") for part, at in parts]
    slugs = [title.lower().replace(" ", "-").replace(",", "") for title in titles]
    articles = {
        "external_id": np.sort(random.choice(10_000_000, count, replace=False) + 20_000_000).astype(str),
        "title": titles,
        "topic": topic,
        "slug": slugs,
        "old_slug": [slug.rpartition("-")[0] if number % RENAMED == 3 else None for number, slug in enumerate(slugs)],
    }
    published = end_ms - (np.sort(age_days)[::-1] * DAY_MS).astype(np.int64)
    return pd.DataFrame(articles, dtype=object).assign(published_at=_instants(published).floor("s"))


def _visits(random: np.random.Generator, articles: pd.DataFrame, readers: pd.DataFrame, at: np.ndarray) -> pd.DataFrame:
    """Draw reader, path and number of events of the visit at each time (ms)."""
    count, keen = len(at), random.gamma(2, size=len(readers))
    who = readers.iloc[random.choice(len(readers), count, p=keen / keen.sum())]
    topic = np.where(random.random(count) < LOYALTY, who["topic"], random.choice(list(TOPICS), count))
    article = articles.iloc[_choose(random, articles, topic, at)]
    slug = np.where(article["old_slug"].isna() | (random.random(count) < 0.3), article["slug"], article["old_slug"])
    paths = ("/article/" + article["external_id"] + "/" + slug + "/").to_numpy(object).copy()
    kind, other = random.random(count), random.random(count)
    paths[kind < AMP] = f"/v/s/{DOMAIN}" + paths[kind < AMP]
    paths[kind > 1 - TRACKED] += "?fbclid=IwAR0"
    paths[other < ELSEWHERE] = random.choice(PAGES, (other < ELSEWHERE).sum())
    paths[other > 1 - NEWSLETTER] = "/article/emailnewsletter/weekly/"
    paths[(other > 0.5) & (other < 0.5 + NO_PATH)] = None
    visits = pd.DataFrame({"client_id": who["client_id"].to_numpy(), "path": paths}, dtype=object)
    return visits.assign(at=at, events=1 + random.geometric(1 / (EVENTS_PER_VISIT - 1), count))


def _choose(random: np.random.Generator, articles: pd.DataFrame, topic: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Draw a published article of its topic for each visit; new and appealing articles are more likely."""
    published = articles["published_at"].to_numpy("datetime64[ms]").astype(np.int64)
    appeal = random.pareto(2, len(articles)) + 0.5
    chosen = np.empty(len(at), dtype=np.int64)
    for each in TOPICS:
        ours, visits = np.flatnonzero(articles["topic"] == each), np.flatnonzero(topic == each)
        age_days = (at[visits, None] - published[ours]) / DAY_MS
        reach = np.where(age_days > 0, appeal[ours] * 0.5 ** (age_days / FRESH_DAYS), 0).cumsum(axis=1)
        chosen[visits] = ours[(reach < random.random((len(visits), 1)) * reach[:, -1:]).sum(axis=1)]
    return chosen


def _events(random: np.random.Generator, visits: pd.DataFrame, end_ms: int) -> pd.DataFrame:
    """Expand each visit into a page view and pings, in the order of delivery; late ones may not be delivered yet."""
    events = visits.loc[np.repeat(visits.index, visits["events"])]
    count, number = len(events), events.groupby(level=0).cumcount().to_numpy()
    waits = random.normal(PING_SECONDS, 0.4, count)
    waits += (random.random(count) < PAUSES) * random.exponential(PAUSE_SECONDS, count)
    passed = pd.Series(np.where(number > 0, waits * 1000, 0).astype(np.int64), events.index)
    at = (events["at"] + passed.groupby(level=0).cumsum()).to_numpy()
    delay = random.integers(30_000, 180_000, count)
    delay += (random.random(count) < LATE) * random.integers(0, 16 * HOUR_MS, count)
    raw = random.bytes(16 * count)
    events = events.assign(
        event_id=[str(uuid.UUID(bytes=raw[first : first + 16], version=4)) for first in range(0, len(raw), 16)],
        at=_instants(at),
        delivered_at=_instants(at + delay),
        client_id=events["client_id"].where(random.random(count) >= NO_CLIENT, None),
        engaged_seconds=number * PING_SECONDS,
    )
    again = events[random.random(count) < TWICE]
    events = pd.concat([events, again.assign(delivered_at=again["delivered_at"] + timedelta(minutes=5))])
    delivered = events["delivered_at"] < pd.Timestamp(end_ms, unit="ms", tz="UTC")
    return events.loc[delivered].drop(columns="events").sort_values(["delivered_at", "event_id"], ignore_index=True)


def _records(events: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the events as records of Snowplow's enriched stream."""
    at, delivered = (np.datetime_as_string(events[name].to_numpy("datetime64[ms]")) for name in ("at", "delivered_at"))
    columns = (events[name] for name in ("event_id", "client_id", "path", "engaged_seconds"))
    for collected, enriched, event_id, client_id, path, engaged in zip(at, delivered, *columns, strict=True):
        record = {
            "app_id": "demo-gazette",
            "platform": "web",
            "collector_tstamp": f"{collected}Z",
            "derived_tstamp": f"{collected}Z",
            "etl_tstamp": f"{enriched}Z",
            "event": "unstruct" if engaged else "page_view",
            "event_id": event_id,
            "event_name": "amp_page_ping" if engaged else "page_view",
            "event_vendor": "dev.amp.snowplow" if engaged else "com.snowplowanalytics.snowplow",
            "page_url": f"https://{DOMAIN}{path or ''}",
            "page_urlhost": DOMAIN,
            "page_urlpath": path,
        }
        if client_id:
            client = {"ampClientId": client_id, "domainUserid": "", "userId": ""}
            record["contexts_dev_amp_snowplow_amp_id_1"] = [client]
        if engaged:
            reading = {"scrollTop": 12 * engaged, "viewportHeight": 772, "totalEngagedTime": engaged}
            record["unstruct_event_dev_amp_snowplow_amp_page_ping_1"] = reading
        yield record


def _instants(milliseconds: np.ndarray) -> pd.DatetimeIndex:
    return pd.to_datetime(milliseconds, unit="ms", utc=True)
