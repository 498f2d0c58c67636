"""Generated ratings of the shape of MovieLens 100K, for machines that have neither the file nor the internet.

Ids, counts and times are like the original's; the ratings follow planted tastes, so that models have something to
learn. They contain nothing of the original.
"""

import numpy as np

USERS, MOVIES, RATINGS = 943, 1_682, 100_000
FIRST_TIME, LAST_TIME = 874_724_710, 893_286_638
TASTES = 6
"""Number of planted factors."""


def movielens_like(seed: int = 0, ratings: int = RATINGS) -> bytes:
    """
    Build a file like `u.data`: lines `user⇥movie⇥rating⇥timestamp`, whole stars 1 to 5, no (user, movie) twice.

    Args:
        seed: the same seed gives the same bytes.
        ratings: number of lines, 1,000 to 400,000.
    """
    random = np.random.default_rng(seed)
    activity = 0.2 + random.lognormal(0.0, 0.9, USERS)
    popularity = random.lognormal(0.0, 1.4, MOVIES)
    chance = np.outer(activity, popularity).ravel()
    keys = random.exponential(size=chance.size) / chance  # the smallest keys are a weighted draw without replacement
    chosen = np.argpartition(keys, ratings)[:ratings]
    random.shuffle(chosen)
    users, movies = np.divmod(chosen, MOVIES)
    likes = random.normal(0.0, 0.35, (USERS, TASTES))
    has = random.normal(0.0, 0.8, (MOVIES, TASTES))
    stars = (
        3.5
        + random.normal(0.0, 0.4, USERS)[users]
        + (0.15 * np.log(popularity) + random.normal(0.0, 0.4, MOVIES))[movies]
        + np.einsum("ij,ij->i", likes[users], has[movies])
        + random.normal(0.0, 0.8, ratings)
    )
    whole = np.clip(np.rint(stars), 1, 5).astype(int)
    times = random.integers(FIRST_TIME, LAST_TIME + 1, ratings)
    lines = zip(users + 1, movies + 1, whole, times, strict=True)
    return "".join(f"{user}\t{movie}\t{star}\t{time}\n" for user, movie, star, time in lines).encode()
