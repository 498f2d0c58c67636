"""Comparison of two rule sets on the same posts."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from pandas.util import hash_array

from include.audience.labeling.authors import AuthorHashes
from include.audience.labeling.coverage import Coverage
from include.audience.labeling.labeler import factorize, source_authors
from include.audience.preview.changes import NO_PANEL, Changes, Move, authors_of, posts_of
from include.audience.preview.overlap import Overlap
from include.audience.preview.samples import Samples
from include.audience.preview.votes import Votes, joined, winners
from include.audience.rules import matching
from include.audience.rules.ruleset import Rules
from include.audience.settings import TiePolicy
from include.audience.source.oddities import MAX_ID_CHARACTERS
from include.audience.source.posts import Posts
from include.audience.source.source_map import SourceMap
from include.audience.source.windows import Windows


class Side:
    """One of the two rule sets, and what it has matched."""

    def __init__(self, rules: Rules, panels: tuple[str, ...], between: Callable[[], object]) -> None:
        """Prepare a rule set; its panels are numbered as in *panels*, those of both sets."""
        self.rules = rules
        self.coverage = Coverage()
        self.overlap = Overlap(rules)
        self._matcher = matching.build(rules, between)
        numbers = {panel: number for number, panel in enumerate(panels)}
        self._numbers = np.array([*(numbers[panel] for panel in rules.panels), NO_PANEL], np.int16)
        self._open: list[Votes] = []
        self._settled: list[Votes] = []

    def panels_of(self, texts: np.ndarray, posts: np.ndarray) -> np.ndarray:
        """Match distinct texts, count their posts, shape (n,) each, and return the number of each text's panel."""
        hits = self._matcher.match(texts.tolist())
        self.coverage.add(hits, posts, self.rules)
        self.overlap.add(hits, posts)
        return self._numbers[matching.panels(hits, self.rules)]

    def match_one(self, text: str) -> tuple[int, ...]:
        """Return the indexes of the patterns that match a text."""
        return self._matcher.match([text])[0]

    def add(self, groups: np.ndarray, authors: np.ndarray, panels: np.ndarray) -> None:
        """Add a vote for each post that has a panel; shape (n,) each."""
        own = panels != NO_PANEL
        self._open.append((groups[own], authors[own], panels[own]))

    def settle(self, ties: TiePolicy, tables: int) -> None:
        """Reduce the votes of complete windows to those of the windows."""
        if self._open:
            group, author, panel = winners(joined(self._open), ties)
            self._settled.append((group % tables, author, panel))
            self._open = []

    def results(self, ties: TiePolicy) -> Votes:
        """Return table, author and panel of each result row."""
        return winners(joined(self._settled), ties)


class Comparison:
    """Compares the rules in force with new ones, as a full run with each would label the posts."""

    def __init__(
        self,
        before: Rules,
        after: Rules,
        tables: SourceMap,
        windows: Windows,
        ties: TiePolicy,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        """
        Prepare the comparison.

        Args:
            before: the rules in force.
            after: the new rules, for the same column.
            tables: the source map.
            windows: windows of the time range.
            ties: treatment of authors whose top panels tie.
            between: called from time to time, see `matching.build`.
        """
        self.tables, self.windows = tables, windows
        self._ties: TiePolicy = ties
        self.panels = tuple(sorted({*before.panels, *after.panels}))
        self.before, self.after = (Side(rules, self.panels, between) for rules in (before, after))
        self.received = 0
        self.posts = Changes()
        self.samples = Samples()
        self._authors = AuthorHashes()
        self._by_window: dict[int, dict[Move, int]] = {}

    def add(self, posts: Posts) -> None:
        """Add posts of the windows that are being read."""
        text_of, texts = factorize(posts.texts)
        counts = np.bincount(text_of, minlength=len(texts))
        self.received += len(posts.ids)
        panels = [side.panels_of(texts, counts)[text_of] for side in (self.before, self.after)]
        source_of, sources = factorize(posts.s_ids)
        name_of, names, name_source = source_authors(posts, source_of, sources)
        hashes = hash_array(names, categorize=False)  # pyright: ignore[reportCallIssue]  # pandas.util has no types
        tables_of = [self.tables.tables_of(s_id) for s_id in sources]
        self._authors.add_sources(tables_of, hashes, name_source)

        mapped = np.array([bool(tables) for tables in tables_of], dtype=bool)[source_of]
        rows = np.flatnonzero(mapped & ((panels[0] != NO_PANEL) | (panels[1] != NO_PANEL)))
        storable = [id_ is not None and len(id_) <= MAX_ID_CHARACTERS for id_ in posts.ids[rows]]
        rows = rows[np.array(storable, dtype=bool)]
        if not len(rows):
            return
        before, after = (each[rows] for each in panels)
        window = self.windows.numbers(posts.times[rows])
        self._count(window, before, after)
        self.samples.add(posts, rows, before, after)
        authors, source = hashes[name_of[rows]], source_of[rows]
        for table in sorted({table for tables in tables_of for table in tables}):
            own = np.array([table in tables for tables in tables_of], dtype=bool)[source]
            group = window[own] * len(self.tables.tables) + table
            for side, panel in ((self.before, before), (self.after, after)):
                side.add(group, authors[own], panel[own])

    def settle(self) -> None:
        """End the windows that have been read: all of their posts have been added."""
        for side in (self.before, self.after):
            side.settle(self._ties, len(self.tables.tables))

    def authors(self) -> tuple[Changes, dict[int, tuple[int, int, int]]]:
        """
        Compare the result rows.

        Returns:
            Their changes, and for each table with authors: authors, result rows before, result rows after.
        """
        before, after = (side.results(self._ties) for side in (self.before, self.after))
        rows = [np.bincount(votes[0], minlength=len(self.tables.tables)) for votes in (before, after)]
        counts = {
            table: (len(hashes), int(rows[0][table]), int(rows[1][table]))
            for table, hashes in sorted(self._authors.distinct().items())
        }
        return authors_of(before, after), counts

    @property
    def by_window(self) -> dict[int, dict[Move, int]]:
        """Window → panel before and after → posts."""
        return self._by_window

    def _count(self, window: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
        self.posts.add(posts_of(before, after))
        counted = pd.DataFrame({"window": window, "before": before, "after": after})
        for (number, old, new), count in counted.groupby(["window", "before", "after"]).size().items():  # pyright: ignore[reportGeneralTypeIssues]
            into = self._by_window.setdefault(int(number), {})
            into[int(old), int(new)] = into.get((int(old), int(new)), 0) + int(count)
