"""Columns of text as integer codes and distinct values, which is fast for millions of rows."""

import numpy as np
import pandas as pd


def coded(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Return the codes of a column and the distinct values they stand for; -1 is a missing value."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), column.cat.categories
    codes, values = pd.factorize(column)
    return codes, pd.Index(values)


def take(values: np.ndarray, codes: np.ndarray, missing: object) -> np.ndarray:
    """Return the value of each code, *missing* for -1."""
    return np.append(values, np.array([missing], values.dtype))[codes]


def in_text_order(column: pd.Series) -> pd.Series:
    """Return a column of text as categorical, with only the values that occur, in the order of their code points."""
    codes, values = coded(column)
    used = np.unique(codes)
    texts = np.array([str(values[code]) for code in used], dtype=object)
    order = np.argsort(texts, kind="stable")
    place = np.empty(len(values), np.int64)
    place[used[order]] = np.arange(len(used))
    return pd.Series(pd.Categorical.from_codes(place[codes], pd.Index(texts[order])), index=column.index)


def without_unused(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the table without the categories of *columns* that no row has any more."""
    return table.assign(**{column: table[column].cat.remove_unused_categories() for column in columns})


def to_micros(seconds: pd.Series) -> np.ndarray:
    """Return seconds as whole microseconds, whose sums do not depend on the order of rows."""
    return np.rint(seconds.to_numpy(float) * 1e6).astype(np.int64)
