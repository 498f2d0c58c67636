"""Readings: who opened which article when, the sequence from which the model `next` learns."""

import numpy as np
import pandas as pd

from include.articles.interactions.columns import coded, in_text_order
from include.articles.interactions.dwell import micros_of

IDLE_MINUTES = 30.0
"""A pause of more than this ends a session, as in web analytics."""
MINUTE_MICROS = 60_000_000


def find_readings(events: pd.DataFrame) -> pd.DataFrame:
    """
    Find when readers opened articles.

    Successive events of a reader on one article, by whatever path, are one reading until a pause of `IDLE_MINUTES`.

    Args:
        events: one row per event; columns `client_id`, `external_id` and `activity_time`.

    Returns:
        One row per reading, columns `client_id`, `external_id` and `read_at`, ordered by reader (as text), time and
        article (as text).
    """
    readers, articles = in_text_order(events["client_id"]), in_text_order(events["external_id"])
    reader, article = readers.cat.codes.to_numpy(), articles.cat.codes.to_numpy()
    micros = micros_of(events["activity_time"])
    order = np.lexsort((article, micros, reader))
    reader, article, micros = reader[order], article[order], micros[order]
    opened = np.ones(len(order), dtype=bool)
    opened[1:] = (reader[1:] != reader[:-1]) | (article[1:] != article[:-1])
    opened[1:] |= np.diff(micros) > IDLE_MINUTES * MINUTE_MICROS
    rows = order[opened]
    return pd.DataFrame(
        {
            "client_id": readers.iloc[rows].array,
            "external_id": articles.iloc[rows].array,
            "read_at": events["activity_time"].iloc[rows].array,
        }
    )


def code_readings(readings: pd.DataFrame, external_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Return readings as numbers, without those of other articles, in their order.

    Args:
        readings: the result of `find_readings`.
        external_ids: articles, distinct.

    Returns:
        Codes of readers, positions of articles in *external_ids*, and microseconds since 1970.
    """
    codes, values = coded(readings["external_id"])
    places = pd.Index(external_ids.astype(str)).get_indexer(pd.Index(values.astype(str)))
    articles = np.append(places, -1)[codes]
    known = articles >= 0
    readers, _ = coded(readings["client_id"])
    return readers[known].astype(np.int64), articles[known], micros_of(readings["read_at"])[known]
