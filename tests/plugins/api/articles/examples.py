"""A valid call of each route, for the tests that walk all routes."""

from tests.support.example import Example

EXAMPLES = {
    "GET /articles/": Example(),
    "GET /articles/health": Example(),
    "GET /articles/recs": Example(query={"source_entity_id": "1"}),
    "GET /articles/models": Example(),
    "GET /articles/models/{model_id}/articles": Example(path={"model_id": 1}),
}
