"""From posts to labelled rows: the pure part of a batch."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pandas.util import hash_array

from include.audience.labeling.authors import AuthorHashes
from include.audience.labeling.cleaning import Ballot
from include.audience.labeling.coverage import Coverage
from include.audience.rules import matching
from include.audience.rules.ruleset import Rules
from include.audience.settings import TiePolicy
from include.audience.source.oddities import ID, MAX_ID_CHARACTERS, Oddities
from include.audience.source.posts import Posts
from include.audience.source.source_map import SourceMap
from include.audience.source.windows import Windows
from include.core.text import excerpt

COLUMNS = ["id", "source_author", "panel", "create_time", "field_content", "match_content"]
"""Columns of a labelled row, besides its task id."""


@dataclass
class Findings:
    """Results of a batch besides its rows."""

    received: int = 0
    authors: AuthorHashes = field(default_factory=AuthorHashes)
    """Authors of all posts, labelled or not, by table number."""
    coverage: Coverage = field(default_factory=Coverage)
    oddities: Oddities = field(default_factory=Oddities)

    def add(self, other: "Findings") -> None:
        """Add the results of another part."""
        self.received += other.received
        self.coverage.update(other.coverage)
        self.authors.update(other.authors)
        self.oddities.update(other.oddities)


class Labeler:
    """Labels posts with one rule set and assigns them to the tables of their sources."""

    def __init__(
        self,
        rules: Rules,
        tables: SourceMap,
        windows: Windows,
        ties: TiePolicy,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        """Build a labeler; *between* is called from time to time, see `matching.build`."""
        self.rules = rules
        self.tables = tables
        self.windows = windows
        self.ties: TiePolicy = ties
        self._matcher = matching.build(rules, between)
        self._panels = np.array(rules.panels, dtype=object)

    def label(self, posts: Posts, findings: Findings) -> pd.DataFrame:
        """
        Label posts and add their counts to *findings*.

        Returns:
            One row per labelled post and table with the columns `COLUMNS`, `group` and `votes` (1); `group` is
            `window * len(tables) + table`.
        """
        text_of, texts = factorize(posts.texts)
        hits = self._matcher.match(texts.tolist())
        findings.received += len(posts.ids)
        findings.coverage.add(hits, np.bincount(text_of, minlength=len(texts)), self.rules)
        source_of, sources = factorize(posts.s_ids)
        name_of, names, name_source = source_authors(posts, source_of, sources)
        tables_of = [self.tables.tables_of(s_id) for s_id in sources]
        self._count_authors(names, name_source, tables_of, findings)

        panel_of = matching.panels(hits, self.rules)[text_of]
        parts = []
        for source, tables in enumerate(tables_of):
            rows = np.flatnonzero((panel_of >= 0) & (source_of == source)) if tables else []
            if len(rows):
                parts += [(rows, np.full(len(rows), table)) for table in tables]
        if not parts:
            return pd.DataFrame()
        rows, table = (np.concatenate(each) for each in zip(*parts, strict=True))
        storable = np.array([id_ is not None and len(id_) <= MAX_ID_CHARACTERS for id_ in posts.ids[rows]])
        if not storable.all():
            _count_unstorable(posts, rows[~storable], findings.oddities)
            rows, table = rows[storable], table[storable]
        columns = {
            "id": posts.ids[rows],
            "source_author": names[name_of[rows]],
            "panel": self._panels[panel_of[rows]],
            "create_time": posts.times[rows],
            "field_content": sources[source_of[rows]],  # shared strings take little memory
            "match_content": texts[text_of[rows]],
            "group": self.windows.numbers(posts.times[rows]) * len(self.tables.tables) + table,
            "votes": 1,
        }
        return pd.DataFrame(columns)  # Arrow strings, a quarter of the size of Python's

    def settle(self, ballot: Ballot) -> pd.DataFrame:
        """Return the rows to write, in order, with the columns `COLUMNS`, `window` and `table` (numbers)."""
        rows = ballot.settle(self.ties)
        if rows is None:
            rows = pd.DataFrame(columns=[*COLUMNS, "group"])
        group = rows["group"].to_numpy(dtype=np.int64)
        window, table = np.divmod(group, len(self.tables.tables))
        return rows.assign(window=window, table=table)

    def _count_authors(
        self, names: np.ndarray, name_source: np.ndarray, tables_of: list[tuple[int, ...]], findings: Findings
    ) -> None:
        hashes = hash_array(names, categorize=False)  # pyright: ignore[reportCallIssue]  # pandas.util has no types
        findings.authors.add_sources(tables_of, hashes, name_source)


def _count_unstorable(posts: Posts, rows: np.ndarray, oddities: Oddities) -> None:
    """Count labelled posts whose id cannot be stored; one that belongs to two tables counts once."""
    first = rows[0]
    written = f"{excerpt(posts.s_ids[first])} by {excerpt(posts.authors[first])} at {posts.times[first].item()}"
    oddities.add(ID, len(np.unique(rows)), f"{excerpt(posts.ids[first])}, of the post in {written}")


def factorize(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of each value among the distinct values, and the distinct values."""
    places, distinct = pd.factorize(values)
    return places, np.asarray(distinct)


def source_authors(
    posts: Posts, source_of: np.ndarray, sources: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the index of each row's name, the distinct names, and the index of each name's source."""
    author_of, authors = factorize(posts.authors)
    pair_of, pairs = factorize(source_of.astype(np.int64) * len(authors) + author_of)
    name_source, name_author = np.divmod(pairs, max(1, len(authors)))
    names = np.empty(len(pairs), dtype=object)
    names[:] = [
        f"{s_id}_{author}".strip() for s_id, author in zip(sources[name_source], authors[name_author], strict=True)
    ]
    return pair_of, names, name_source
