"""A valid call of each route, for the tests that walk all routes."""

from tests.support.example import Example

PREDICTION = "predict-2019-05-09T16:35:04.313814.txt"

EXAMPLES = {
    "POST /ratings/train": Example({"data": ["244 346 2 880606923"]}),
    "POST /ratings/predict": Example({"data": ["233 346"]}),
    "POST /ratings/result": Example({"filename": PREDICTION}),
    "GET /ratings/result/{filename}": Example(path={"filename": PREDICTION}),
    "GET /ratings/commits": Example(),
    "GET /ratings/commits/{older}/diff/{newer}": Example(path={"older": 0, "newer": 1}),
    "GET /ratings/commits/{version}/used-by": Example(path={"version": 1}),
    "GET /ratings/models": Example(),
    "GET /ratings/models/{version}/used-by": Example(path={"version": 1}),
    "GET /ratings/jobs": Example(),
    "GET /ratings/predictions/{filename}/why": Example(path={"filename": PREDICTION}),
    "POST /ratings/rollback": Example({"model": 1}),
    "GET /quartet/ratings/": Example(),
    "GET /quartet/ratings/diff/{older}/{newer}": Example(path={"older": 0, "newer": 1}),
    "GET /quartet/ratings/predictions/{filename}": Example(path={"filename": PREDICTION}),
    "POST /quartet/ratings/predict": Example(form={"pairs": "233 346"}),
    "POST /quartet/ratings/rollback": Example(form={"model": "1"}),
}
