"""Generated posts like those of a crawled source table, for the demo and the tests; no real person is in them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Column, DateTime, Engine, MetaData, String, Table, Text
from sqlalchemy.dialects.mysql import LONGTEXT

SOURCES = {
    "WH_F0045": 0.28, "WH_F0165": 0.16, "WH_F0116": 0.12, "WH_F0001": 0.12, "WH_F0002": 0.10, "WH_F0147": 0.09,
    "WH_N0001": 0.06, "WH_B0002": 0.03, "wh_v001": 0.01, "WH_F9999": 0.02, None: 0.01,
}  # fmt: skip
"""Share of each s_id; WH_F0116 belongs to two result tables, WH_F9999 to none."""
AREAS = 20
"""Areas per source."""
AUTHORS = (
    "Jennifer {}", "user{}", "訪客{}", "kopi{}", "王志豪{}", "貓奴 {} 號", "Zz_{}", "😀👨\u200d👩\u200d👧{}",
    "{}小姐", "no_one{}", "O'\"q\\{}", "旅人{}\u3000", "Ahmad bin Hassan {}", "路過{}", "\uff21nn{}", "喵{}\t",
    "林淑芬{}", "  kk{}", "台北人{}", "ß{}", "mr {}", "x{} ", "İz{}", "長" * 590 + "{}",
)  # fmt: skip
"""Names with a placeholder for the author's number; a quarter of them match the shipped rules."""
NULL_AUTHORS, PADDED_AUTHORS = 0.015, 0.01
"""Shares of rows without an author, and with a trailing blank in it."""
TITLES = (None, "", "閒聊", "[問題] 請問大家", "Re: 心得分享", "推薦 😀")
CONTENTS = (
    None, "", "推", "今天天氣真好", "我工作了3年還是存不到錢", "剛出社會的新鮮人 請多指教", "我兒子不肯睡怎麼辦",
    "產檢要注意什麼", "期中考好難 😭", "我現在大二想轉系", "電影 \"還不錯\"\n第二行\t有 tab \\", "Selamat pagi 早安",
    "今天去吃火鍋、排了一個小時的隊。湯頭很濃、下次還會再來。" * 12,
)  # fmt: skip
ODD_TIMES = 0.01
"""Share of rows outside the time range; as many are exactly on a six-hour boundary."""
SIX_HOURS, DAY = 6 * 3600, 24 * 3600
INSERT_ROWS = 10_000
"""Rows per insert."""


def rows(
    count: int,
    seed: int = 7,
    authors: int | None = None,
    start: datetime = datetime(2020, 1, 1),
    end: datetime = datetime(2021, 1, 1),
) -> pd.DataFrame:
    """
    Return generated posts; the same arguments return the same posts.

    Args:
        count: number of rows, 0 or more.
        seed: seed of the random numbers.
        authors: number of authors, a few of whom post often; by default a quarter of *count*.
        start: time of row 0; some rows are up to a day earlier.
        end: time of row 1, after *start*; some rows are up to a day later.

    Returns:
        Columns `id` (distinct), `s_id`, `s_area_id`, `author`, `title`, `content` (text or None) and `post_time`
        (whole seconds). Rows are not sorted by time.
    """
    random = np.random.default_rng(seed)
    authors = max(count // 4, 1) if authors is None else authors
    source = random.choice(len(SOURCES), count, p=list(SOURCES.values()))
    areas = [f"{s_id}_{area:02}" if s_id else None for s_id in SOURCES for area in range(1, AREAS + 1)]
    names = _texts([AUTHORS[number % len(AUTHORS)].format(number) for number in range(authors)])
    author = names[random.permutation(authors)[(authors * random.random(count) ** 3).astype(np.int64)]]
    author[random.random(count) < NULL_AUTHORS] = None
    padded = (random.random(count) < PADDED_AUTHORS) & (author != None)  # noqa: E711  # compares each one
    author[padded] += " "
    columns = {
        "id": _texts([f"{number:012}_GEN" for number in range(count)]),
        "s_id": _texts(list(SOURCES))[source],
        "s_area_id": _texts(areas)[source * AREAS + random.integers(0, AREAS, count)],
        "author": author,
        "title": _texts(TITLES)[random.integers(0, len(TITLES), count)],
        "content": _texts(CONTENTS)[random.integers(0, len(CONTENTS), count)],
    }
    frame = pd.DataFrame({name: pd.Series(texts, dtype=object) for name, texts in columns.items()})
    return frame.assign(post_time=_times(random, count, start, end))


def source_table(name: str = "ts_page_content") -> Table:
    """Return the definition of a source table. In SQLite `post_time` is text, `YYYY-MM-DD HH:MM:SS`."""
    options: dict[str, Any] = {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_unicode_ci"}
    return Table(
        name,
        MetaData(),
        Column("id", String(32), primary_key=True),
        Column("s_id", String(32)),
        Column("s_area_id", String(64)),
        Column("author", Text),
        Column("title", Text),
        Column("content", Text().with_variant(LONGTEXT, "mysql", "mariadb")),
        Column("post_time", DateTime().with_variant(String(19), "sqlite"), nullable=False, index=True),
        **{f"{dialect}_{key}": value for dialect in ("mysql", "mariadb") for key, value in options.items()},
    )


def write(
    engine: Engine, frame: pd.DataFrame, table: str = "ts_page_content", progress: Callable[[int], None] | None = None
) -> None:
    """
    Write the rows of *frame* into *table*; an existing table is replaced.

    Args:
        engine: engine of a MariaDB or SQLite schema.
        frame: the result of `rows`.
        table: name of the table.
        progress: called after each insert with the number of rows written so far.
    """
    target = source_table(table)
    target.drop(engine, checkfirst=True)
    target.create(engine)
    names = target.columns.keys()
    for first in range(0, len(frame), INSERT_ROWS):
        part = frame.iloc[first : first + INSERT_ROWS]
        times = part["post_time"].to_numpy().astype("datetime64[s]").astype(object)
        values = map(str, times) if engine.dialect.name == "sqlite" else times
        lines = zip(*(part[name] for name in names[:-1]), values, strict=True)
        with engine.begin() as connection:
            connection.execute(target.insert(), [dict(zip(names, line, strict=True)) for line in lines])
        if progress:
            progress(first + len(part))


def _texts(values: Sequence[str | None]) -> np.ndarray:
    return np.array(values, dtype=object)


def _times(random: np.random.Generator, count: int, start: datetime, end: datetime) -> np.ndarray:
    """Draw times in whole seconds; the first rows are at the start, at the end, on a boundary, and outside."""
    seconds = int((end - start).total_seconds())
    times = random.integers(0, seconds + 1, count)
    kind = random.random(count)
    times[kind < ODD_TIMES] -= times[kind < ODD_TIMES] % SIX_HOURS
    early, late = kind > 1 - ODD_TIMES / 2, (kind > 1 - ODD_TIMES) & (kind <= 1 - ODD_TIMES / 2)
    times[early] = -1 - times[early] % DAY
    times[late] = seconds + 1 + times[late] % DAY
    fixed = [0, seconds, SIX_HOURS, -1, seconds + 1][:count]
    times[: len(fixed)] = fixed
    return np.datetime64(start, "s") + times.astype("timedelta64[s]")
