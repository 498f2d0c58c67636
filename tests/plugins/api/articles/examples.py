"""A valid call of each route, for the tests that walk all routes."""

from tests.support.example import Example

EXAMPLES = {
    "GET /articles/": Example(),
    "GET /articles/health": Example(),
    "GET /articles/recs": Example(query={"source_entity_id": "1"}),
    "GET /articles/models": Example(),
    "GET /quartet/articles/": Example(),
    "GET /quartet/articles/recs": Example(query={"source_entity_id": "1"}),
    "GET /quartet/articles/sites/{site}": Example(path={"site": "washington-city-paper"}),
    "GET /quartet/articles/sites/{site}/search": Example(path={"site": "washington-city-paper"}, query={"title": "a"}),
    "GET /articles/models/{model_id}/articles": Example(path={"model_id": 1}),
}
