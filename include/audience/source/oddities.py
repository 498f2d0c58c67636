"""Posts that cannot be read as they are stored: how many, why, and an example of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from include.core.errors import BadDataError

MAX_ID_CHARACTERS = 64
"""Longest id that the tables of labelled rows hold."""

TIME, ID, TEXT = "post_time", "id", "text"
REASONS = {
    TIME: "left out, with a post_time that is not YYYY-MM-DD HH:MM:SS",
    ID: f"left out, without an id or with one of more than {MAX_ID_CHARACTERS} characters",
    TEXT: "labelled with replacement characters, with text that is not UTF-8",
}
"""Reason → what it means for a post."""


class TooManyUnreadableError(BadDataError):
    """A larger share of posts is unreadable than the settings allow."""


@dataclass
class Oddities:
    """Unreadable posts by reason."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of unreadable posts."""
        return sum(self.counts.values())

    def add(self, reason: str, count: int, example: str) -> None:
        """Add posts; the first example of a reason is kept."""
        if count:
            self.counts[reason] = self.counts.get(reason, 0) + count
            self.examples.setdefault(reason, example)

    def update(self, other: "Oddities") -> None:
        """Add the posts of another part."""
        for reason, count in other.counts.items():
            self.add(reason, count, other.examples[reason])

    def check(self, received: int, max_ratio: float, setting: str) -> None:
        """
        Check that not too many posts are unreadable; a single one may always be.

        Args:
            received: number of posts with a readable time.
            max_ratio: maximum share of unreadable posts, 0 to 1.
            setting: name of the setting with *max_ratio*.

        Raises:
            TooManyUnreadableError: more are.
        """
        share = self.total / max(1, received + self.counts.get(TIME, 0))
        if self.total > 1 and share > max_ratio:
            raise TooManyUnreadableError(
                f"{share:.2%} of the posts are unreadable, at most {max_ratio:.2%} are allowed ({setting}): {self}"
            )

    def __str__(self) -> str:
        """Return the counts in words; empty if there are none."""
        parts = [
            f"{self.counts[reason]:,} {meaning}, such as {self.examples[reason]}"
            for reason, meaning in REASONS.items()
            if reason in self.counts
        ]
        return f"unreadable posts: {'; '.join(parts)}" if parts else ""

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON values; `from_json` reads them back."""
        return {reason: [count, self.examples[reason]] for reason, count in self.counts.items()}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Oddities":
        """Build the counts from the result of `as_json`."""
        found = cls()
        for reason, (count, example) in fields.items():
            found.add(reason, count, example)
        return found
