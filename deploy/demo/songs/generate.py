"""Generator of made-up days of song plays, for the demo and the tests."""

from datetime import date
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.songs.rules import LONG_SECONDS, REPORT_TIMEZONE, bounds
from include.songs.schemas import LISTENERS, SPINS

ARTISTS = (
    *("Marta Quill", "The Gravel Choir", 'Wilma "Two Hats" Orr', "Ölfeld", "Pontoon Eleven", "Núria Vall-Serra"),
    *("Tin Orchard", "Čapek Street Brass", "DJ Umbrella", "Halfway to Luleå", "Odd Socks Quartet", "Fernanda Gris"),
)
OPENINGS = ("Letter to", "Rain over", "Waltz for", "Late Bus to", 'The "Real"', "Été à", "Goodbye,", "Nobody in")
PLACES = ("Northgate", "the Third Floor", "Señora Díaz", "a Small Kitchen", "Łódź", "Old Mill", "Tomorrow", "Elm Park")
ENDINGS = ("", " (Live)", ' (From "The Lighthouse")', " (feat. Marta Quill)")
SOURCES = ("Album", "All Artist Tracks", "Autoplay", "Collections", "Playlist", "Station", "Thumbed Up Track")
AGES = ("18-25", "26-40", "40-55", "65+")
GENDERS = ("F", "M", "Unknown")
SUBSCRIPTIONS = ("Ad-supported", "Family", "Plus", "Premium")
SHORT, UNKNOWN, COPIES = 0.1, 0.005, 0.004
"""Shares of plays that are not long, of plays by unknown listeners, of rows that are exact copies of others."""
MAX_SECONDS = 300
Columns = dict[str, np.ndarray]
_TYPES = {"int": pa.int32(), "string": pa.string(), "timestamp": pa.timestamp("us", "UTC")}


def make(day: date, spins: int = 5000, listeners: int = 100, seed: int = 7) -> tuple[pa.Table, pa.Table]:
    """
    Generate the plays of a day, and the listeners; equal arguments give equal results.

    Args:
        day: calendar day of all plays in `REPORT_TIMEZONE`; listeners and songs do not depend on it.
        spins: number of plays, 0 or more.
        listeners: number of listeners, 1 or more.
        seed: of the random generator.

    Returns:
        Plays, earliest first, with the columns of `SPINS`, and listeners with those of `LISTENERS`.
    """
    random = np.random.default_rng(seed)
    people, songs = _listeners(random, listeners), _songs(random)
    plays = _spins(np.random.default_rng([seed, day.toordinal()]), day, spins, listeners, songs)
    return _table(SPINS, plays), people


def write(table: pa.Table, path: Path) -> None:
    """Write plays or listeners as the music service does: Parquet with snappy, instants as INT96."""
    pq.write_table(table, path, compression="snappy", use_deprecated_int96_timestamps=True, store_schema=False)


def _listeners(random: np.random.Generator, count: int) -> pa.Table:
    zips = random.integers(10_000, 100_000, count * 2 // 3 + 1)  # some listeners share one
    values = {
        "fake_listener_id": np.arange(1, count + 1),
        "age": random.choice(AGES, count),
        "gender": random.choice(GENDERS, count),
        "subscription_type": random.choice(SUBSCRIPTIONS, count),
        "country": np.full(count, "US"),
        "fake_zipcode": random.choice(zips, count),
    }
    return _table(LISTENERS, values)


def _songs(random: np.random.Generator) -> Columns:
    titles = np.array(["{} {}{}".format(*parts) for parts in product(OPENINGS, PLACES, ENDINGS)])
    artist = random.integers(len(ARTISTS), size=len(titles))
    return {
        "fake_artist_id": random.choice(np.arange(1, 1_000_000), len(ARTISTS), replace=False)[artist],
        "artist_name": np.array(ARTISTS)[artist],
        "fake_track_id": random.choice(np.arange(1, 1_000_000), len(titles), replace=False),
        "track_title": titles,
    }


def _spins(random: np.random.Generator, day: date, count: int, listeners: int, songs: Columns) -> Columns:
    first, end = (int(each.timestamp()) for each in bounds(day, REPORT_TIMEZONE))
    long = random.integers(LONG_SECONDS + 1, MAX_SECONDS + 1, count)
    known = random.integers(1, listeners + 1, count)
    popular = 1 / np.arange(8, len(songs["track_title"]) + 8)
    song = random.choice(len(popular), count, p=popular / popular.sum())
    seconds = (random.triangular(0, 0.75, 1, count) * (end - first)).astype(np.int64)  # most in the evening
    values = {name: values[song] for name, values in songs.items()} | {
        "date_time": (first + seconds) * 1_000_000,
        "elapsed_seconds": np.where(random.random(count) < SHORT, random.integers(LONG_SECONDS + 1, size=count), long),
        "play_source": random.choice(SOURCES, count),
        "fake_listener_id": np.where(random.random(count) < UNKNOWN, listeners + 1, known),
    }
    rows, copies = np.arange(count), round(count * COPIES)
    rows[count - copies :] = random.integers(max(count - copies, 1), size=copies)
    rows = rows[np.argsort(values["date_time"][rows], kind="stable")]
    return {name: column[rows] for name, column in values.items()}


def _table(columns: dict[str, str], values: Columns) -> pa.Table:
    return pa.table({name: pa.array(values[name]).cast(_TYPES[kind]) for name, kind in columns.items()})
