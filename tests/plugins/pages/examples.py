"""A valid call of each route of the overview, for the tests that walk all routes."""

from tests.support.example import Example

EXAMPLES = {
    "GET /quartet/": Example(),
    "GET /quartet/overview/{name}": Example(path={"name": "songs"}),
    "GET /quartet/explain": Example(query={"row": "quartet://songs/2019-02-08/dataset/1"}),
}
