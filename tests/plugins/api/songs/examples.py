"""A valid call of each route, for the tests that walk all routes."""

from tests.support.example import Example

DAY = {"day": "2019-02-08"}

EXAMPLES = {
    "GET /songs/days": Example(query={"year": 2019, "month": 2}),
    "GET /songs/days/{day}": Example(path=DAY),
    "GET /songs/days/{day}/counts": Example(path=DAY, query={"zip": 90210, "subscription": "Family"}),
    "GET /songs/days/{day}/dataset.csv.gz": Example(path=DAY),
    "GET /songs/days/{day}/counts.csv.gz": Example(path=DAY),
    "GET /quartet/songs/": Example(query={"month": "2019-02"}),
    "GET /quartet/songs/days/{day}": Example(path=DAY),
    "GET /quartet/songs/days/{day}/checksums": Example(path=DAY),
}
