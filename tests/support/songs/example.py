"""A day that can be worked out by hand: ten plays, five listeners, six rows."""

from datetime import UTC, datetime

from tests.support.songs.oracle import Listener, Play


def at(text: str) -> datetime:
    """Read an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


ANA, BO, CELIK, DOT = (11, "Ana Lux"), (12, 'Bo "Bee" Ray'), (13, "Çelik"), (14, "Dot")
PLAYS: list[Play] = [
    (*ANA, 101, "Paper Moon", at("2019-02-08 05:00:00"), 31, "Station", 1),
    (*ANA, 102, "Glass", at("2019-02-08 12:30:15"), 30, "Station", 1),  # too short
    (*BO, 201, 'Say "Hi"', at("2019-02-08 18:05:09"), 240, "Playlist", 2),
    (*BO, 201, 'Say "Hi"', at("2019-02-08 18:05:09"), 240, "Playlist", 2),  # the same
    (*BO, 201, 'Say "Hi"', at("2019-02-08 18:05:10"), 240, "Playlist", 2),  # another one, a second later
    (*CELIK, 301, "Été", at("2019-02-09 04:59:59"), 300, "Album", 3),  # the last second of the day
    (*CELIK, 302, "Nuit", at("2019-02-08 20:00:00"), 200, "Album", 99),  # nobody knows the listener
    (*DOT, 401, "Null time", at("2019-02-08 20:00:00"), None, "Autoplay", 1),
    (*DOT, 402, "No listener", at("2019-02-08 20:00:00"), 120, "Autoplay", None),
    (*DOT, 403, "Twin", at("2019-02-08 21:00:00"), 120, "Autoplay", 4),  # two rows of its listener
]
LISTENERS: list[Listener] = [
    (1, "18-25", "F", "Family", "US", 90210),
    (1, "18-25", "F", "Family", "US", 90210),
    (2, "26-40", "M", "Family", "US", 90210),
    (3, "65+", "Unknown", "Ad-supported", "US", 90210),
    (4, "40-55", "M", "Plus", "US", 10001),
    (4, "40-55", "M", "Premium", "US", 10001),
    (5, "26-40", "F", "Plus", "US", 10138),
]
METRICS = {
    "spins_read": 10,
    "rows_outside_day": 0,
    "after_time_filter": 8,
    "without_listener": 2,
    "joined": 8,
    "deduplicated": 6,
    "analysis_groups": 4,
}
DATASET = """\
1|11|Ana Lux|101|Paper Moon|2019-02-08T00:00:00.000-05:00|31|Station|18-25|F|Family|US|90210
2|12|Bo "Bee" Ray|201|Say "Hi"|2019-02-08T13:05:09.000-05:00|240|Playlist|26-40|M|Family|US|90210
2|12|Bo "Bee" Ray|201|Say "Hi"|2019-02-08T13:05:10.000-05:00|240|Playlist|26-40|M|Family|US|90210
3|13|Çelik|301|Été|2019-02-08T23:59:59.000-05:00|300|Album|65+|Unknown|Ad-supported|US|90210
4|14|Dot|403|Twin|2019-02-08T16:00:00.000-05:00|120|Autoplay|40-55|M|Plus|US|10001
4|14|Dot|403|Twin|2019-02-08T16:00:00.000-05:00|120|Autoplay|40-55|M|Premium|US|10001
""".replace("|", "\t").splitlines()
COUNTS = """\
10001|Plus|1
10001|Premium|1
90210|Ad-supported|1
90210|Family|3
""".replace("|", "\t").splitlines()
