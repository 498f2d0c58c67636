"""The parameters of a run: which may be set where, and what is pinned for all of its tasks.

Of several values the first of these counts: the run's own, the site's, an Airflow Variable's, the environment's, the
default.
"""

from collections.abc import Mapping
from typing import Any

from include.articles.settings import PARAMETERS, ArticleSettings
from include.core.errors import BadDataError

VARIABLE = "article_recs"
"""Airflow Variable, a JSON object: values of parameters for all sites."""
_NAMES = {"integer": ["integer"], "number": ["number", "string"], "boolean": ["boolean"], "string": ["string"]}


def schema(name: str) -> dict[str, Any]:
    """Describe a parameter as JSON schema; null means: not given. Numbers may be text, so that `inf` can be said."""
    properties = ArticleSettings.model_json_schema(by_alias=False)["properties"][name]
    described = {key: value for key, value in properties.items() if key not in ("anyOf", "title", "default")}
    for option in properties.get("anyOf", []):
        if option["type"] != "null":
            described |= option
    described["type"] = [*_NAMES[described["type"]], "null"]
    if "enum" in described:
        described["enum"] = [*described["enum"], None]
    return described


def resolve(*layers: Mapping[str, Any]) -> ArticleSettings:
    """
    Give the settings of a run.

    Args:
        layers: values by the names of `PARAMETERS`, in lower or upper case; the first that has one counts, `None` and
            the empty text are none. Other names are left alone in a run's own values, so the caller passes only those
            that are meant.

    Raises:
        BadDataError: a name is not a parameter, or a value is not allowed.
    """
    given: dict[str, Any] = {}
    for layer in reversed(layers):
        for name, value in layer.items():
            if name.lower() not in PARAMETERS:
                raise BadDataError(f"{name} is not a parameter of a run; these are: {', '.join(PARAMETERS)}")
            if value is not None and value != "":
                given[name.lower()] = value
    return ArticleSettings.load(**given)


def pinned(settings: ArticleSettings) -> dict[str, str]:
    """Give the parameters as text that `restored` reads back exactly."""
    values = settings.model_dump(include=set(PARAMETERS))
    return {name: str(value) for name, value in values.items() if value is not None}


def restored(values: Mapping[str, str]) -> ArticleSettings:
    """Give the settings of a run back, whatever the environment says by now about the run's parameters."""
    absent = {name: ArticleSettings.model_fields[name].default for name in PARAMETERS if name not in values}
    return ArticleSettings.load(**absent, **values)
