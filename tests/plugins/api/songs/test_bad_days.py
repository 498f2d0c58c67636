"""A day is written in one way."""

import pytest

from tests.plugins.api.songs.content import fill

RESTS = ("", "/counts", "/counts.csv.gz", "/dataset.csv.gz")


@pytest.mark.parametrize(
    "day",
    ["20190208", "2019-02-30", "2019-2-8", "2019-W06-5", "today", "2019-02-08T00:00", "%00", "%ff", "\uff12019"],
)
def test_bad_days_are_refused(client, root, day):
    fill(root)
    for rest in RESTS:
        answer = client.get(f"/days/{day}{rest}")
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("day: a day such as 2019-02-08 was expected, found ")


@pytest.mark.parametrize("day", ["../x", "..%2fx", "%2e%2e%2f%2e%2e%2fsongs", "%2e%2e", "2019/02/08"])
def test_nothing_climbs_out(client, root, day):
    fill(root)
    for rest in RESTS:
        assert client.get(f"/days/{day}{rest}").status_code in (404, 422)
