"""A valid call of each route, for the tests that walk all routes."""

from tests.support.example import Example

EXAMPLES = {
    "GET /quartet/rows": Example(),
    "GET /quartet/why": Example(query={"row": "quartet://songs/2019-02-08/dataset/1"}),
}
