"""From posts to labelled rows: the pure part of a label batch."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pandas.util import hash_array

from include.audience import matching
from include.audience.authors import AuthorHashes
from include.audience.cleaning import Ballot, TiePolicy
from include.audience.coverage import Coverage
from include.audience.rules import Rules
from include.audience.source import Posts
from include.audience.source_map import SourceMap
from include.audience.windows import Windows

COLUMNS = ["id", "source_author", "panel", "create_time", "field_content", "match_content"]
"""Columns of a labelled row, beside its task."""


@dataclass
class Findings:
    """What a batch has found so far, beside its rows."""

    received: int = 0
    authors: AuthorHashes = field(default_factory=AuthorHashes)
    """Of all posts, labelled or not, by table number."""
    coverage: Coverage = field(default_factory=Coverage)

    def add(self, other: "Findings") -> None:
        """Count what another part has found."""
        self.received += other.received
        self.coverage.update(other.coverage)
        self.authors.update(other.authors)


class Labeler:
    """Labels posts with one rule set and sorts them into the tables of their sources."""

    def __init__(self, rules: Rules, tables: SourceMap, windows: Windows, ties: TiePolicy) -> None:
        self.rules = rules
        self.tables = tables
        self.windows = windows
        self.ties: TiePolicy = ties
        self._matcher = matching.build(rules)
        self._panels = np.array(rules.panels, dtype=object)

    def label(self, posts: Posts, findings: Findings) -> pd.DataFrame:
        """
        Label posts and count them into *findings*.

        Returns:
            Columns `COLUMNS` and `group`, `votes` (1), a row for each labelled post and table; `group` is
            `window * len(tables) + table`.
        """
        text_of, texts = _numbered(posts.texts)
        hits = self._matcher.match(texts.tolist())
        findings.received += len(posts.ids)
        findings.coverage.add(hits, np.bincount(text_of, minlength=len(texts)), self.rules)
        source_of, sources = _numbered(posts.s_ids)
        name_of, names, name_source = _source_authors(posts, source_of, sources)
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
        columns = {
            "id": posts.ids[rows],
            "source_author": names[name_of[rows]],
            "panel": self._panels[panel_of[rows]],
            "create_time": posts.times[rows],
            "field_content": sources[source_of[rows]],  # one text for many rows: what is kept is small
            "match_content": texts[text_of[rows]],
            "group": self.windows.numbers(posts.times[rows]) * len(self.tables.tables) + table,
            "votes": 1,
        }
        return pd.DataFrame(columns)  # text becomes Arrow's, a quarter of the size of Python's

    def settled(self, ballot: Ballot) -> pd.DataFrame:
        """Give the rows that are written, in their order: columns `COLUMNS`, `window` and `table` (numbers)."""
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
        by_table: dict[int, list[int]] = {}
        for source, tables in enumerate(tables_of):
            for table in tables:
                by_table.setdefault(table, []).append(source)
        for table, sources in by_table.items():
            findings.authors.add(table, hashes[np.isin(name_source, sources)])


def _numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the place of each value among the distinct ones, and these."""
    places, distinct = pd.factorize(values)
    return places, np.asarray(distinct)


def _source_authors(
    posts: Posts, source_of: np.ndarray, sources: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the name's place of each row, the distinct names, and the source's place of each name."""
    author_of, authors = _numbered(posts.authors)
    pair_of, pairs = _numbered(source_of.astype(np.int64) * len(authors) + author_of)
    name_source, name_author = np.divmod(pairs, max(1, len(authors)))
    names = np.empty(len(pairs), dtype=object)
    names[:] = [
        f"{s_id}_{author}".strip() for s_id, author in zip(sources[name_source], authors[name_author], strict=True)
    ]
    return pair_of, names, name_source
