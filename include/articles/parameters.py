"""The parameters of a run: which can be set where, and how they are pinned for all of its tasks.

The first of these that has a value counts: the run itself, the site, the Airflow Variable, the environment, the
default.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from pydantic import TypeAdapter, ValidationError

from include.articles.settings import PARAMETERS, ArticleSettings
from include.core.errors import BadDataError
from include.core.params import optional, param_schemas
from include.core.text import excerpt

VARIABLE = "article_recs"
"""Airflow Variable, a JSON object: values of parameters for all sites."""


OF_RUN = ("run_at", "train")
"""What only a run can set, besides the parameters."""


def schemas(site: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """
    Return what a run can be started with: name → JSON schema, whose `default` is the value of the site.

    Args:
        site: the parameters of the site.
    """
    return {
        "run_at": {
            "default": None,
            "type": ["null", "string"],
            "format": "date-time",
            "description": "instant of the run",
        },
        "train": {
            "default": None,
            "type": ["null", "boolean"],
            "description": "make models; empty: yes, but no in a backfill",
        },
        **{name: {"default": site.get(name), **schema(name)} for name in PARAMETERS},
    }


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of a parameter; null means: not set. Numbers may be text, so that `inf` can be given."""
    described = param_schemas(ArticleSettings)[name]
    return optional(described, "string") if "number" in described["type"] else optional(described)


def resolve(*layers: Mapping[str, Any]) -> ArticleSettings:
    """
    Return the settings of a run.

    Args:
        layers: values by the names of `PARAMETERS`, in lower or upper case; the first layer that has a value counts,
            `None` and the empty text count as none. Other names are rejected, so callers pass only parameters.

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


def check(name: str, value: Any) -> Any:
    """
    Return a value of a parameter as JSON takes it; an infinite number is the text `inf`.

    Args:
        name: one of `PARAMETERS`.
        value: the value.

    Raises:
        ValueError: the value is not allowed.
    """
    field = ArticleSettings.model_fields[name]
    expected = TypeAdapter(field.rebuild_annotation())
    try:
        checked = expected.dump_python(expected.validate_python(value), mode="json")
    except ValidationError as error:
        message = f"{name}: {error.errors()[0]['msg']}, found {excerpt(value)}. Expected: {field.description}"
        raise ValueError(message) from None
    return "inf" if checked == inf else checked  # JSON has no such number


def of_variable(values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the parameters that the Airflow Variable sets, by the names of `PARAMETERS`.

    Raises:
        BadDataError: a name is not a parameter, or a value is not allowed; the message names the Variable.
    """
    return _named(f"the Airflow Variable {VARIABLE}", values, PARAMETERS)


def of_run(conf: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Return what the conf of a run sets, by the names of `PARAMETERS` and `OF_RUN`.

    Raises:
        BadDataError: a name is not one of these, or a value is not allowed.
    """
    return _named("the conf of the run", conf or {}, [*OF_RUN, *PARAMETERS])


def _named(where: str, values: Mapping[str, Any], allowed: Sequence[str]) -> dict[str, Any]:
    """Return values by lower-case names; the empty text and `None` are no values."""
    found: dict[str, Any] = {}
    for given, value in values.items():
        name = given.lower()
        if name not in allowed:
            raise BadDataError(f"{where}: {excerpt(given)} is not a parameter; these are: {', '.join(allowed)}")
        if name in found:
            raise BadDataError(f"{where}: {name} occurs twice, as {excerpt(given)}, too")
        if value is None or value == "" or name in OF_RUN:
            found[name] = value
            continue
        try:
            found[name] = check(name, value)
        except ValueError as error:
            raise BadDataError(f"{where}: {error}") from None
    return found


def pinned(settings: ArticleSettings) -> dict[str, str]:
    """Return the parameters as text that `restored` reads back exactly."""
    values = settings.model_dump(include=set(PARAMETERS))
    return {name: str(value) for name, value in values.items() if value is not None}


def restored(values: Mapping[str, str]) -> ArticleSettings:
    """Return the settings of a run from its pinned parameters; the environment no longer affects these."""
    absent = {name: ArticleSettings.model_fields[name].default for name in PARAMETERS if name not in values}
    return ArticleSettings.load(**absent, **values)
