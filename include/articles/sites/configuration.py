"""Configuration of the sites: fields, files, schedules. Cheap enough to be imported by a DAG file."""

import re
from collections.abc import Hashable, Mapping
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from include.articles.settings import PARAMETERS, ArticleSettings
from include.core.errors import BadDataError
from include.core.settings import ROOT, PlatformSettings
from include.core.text import excerpt

BUILT_IN = Path(__file__).with_name("sites.yaml")
EVERY_TWO_HOURS = "0 */2 * * *"
NEVER = "never"
"""Schedule of a site whose runs are started by hand only."""


class SitesError(BadDataError):
    """An unknown site, or an invalid file of sites; the message names file, site and key."""


class Site(BaseModel):
    """
    One site.

    Attributes:
        name: key in the file of sites.
        domain: its host name without `www.`.
        kind: how it names and describes its articles; the adapter to use.
        base_url: its URL; default `https://<domain>`.
        enabled: whether it has a schedule.
        schedule: cron expression in UTC, or `never` for runs started by hand only.
        requests_per_second: maximum rate, redirects and retries included.
        concurrent_requests: maximum number of requests in flight.
        attempts: maximum number of requests per article.
        timeout_seconds: limit of one request.
        max_wait_seconds: maximum wait between two attempts, whatever the site asks for.
        user_agent: value of the `User-Agent` header.
        run_timeout_minutes: time after which a run has failed.
        parameters: parameters of its runs, by the lower-case names of `PARAMETERS`; values as in JSON, `inf` as text.
        path_pattern: WordPress only: regular expression that matches the whole path of a post, with a group `slug`.
        lang: WordPress only: language of the posts, for a site that has several.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")
    domain: str = Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$")
    kind: Literal["washington_city_paper", "wordpress"]
    base_url: str = Field(default="", pattern=r"^https?://[^\s/?#@]+[^\s?#@]*$", validate_default=True)
    enabled: bool = False
    schedule: str = EVERY_TWO_HOURS
    requests_per_second: float = Field(default=2, gt=0, le=1000)
    concurrent_requests: int = Field(default=1, ge=1, le=100)
    attempts: int = Field(default=3, ge=1, le=10)
    timeout_seconds: float = Field(default=30, gt=0, le=600)
    max_wait_seconds: float = Field(default=60, ge=0, le=3600)
    user_agent: str = Field(default="article-rec-training-job/1.0.0", pattern=r"^[!-~][ -~]*$")
    run_timeout_minutes: float = Field(default=110, gt=0, le=10_000)
    parameters: dict[str, Any] = {}
    path_pattern: str | None = None
    lang: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,20}$")

    @property
    def dag_id(self) -> str:
        """Id of its DAG."""
        return f"article_recs__{self.name.replace('-', '_')}"

    @model_validator(mode="before")
    @classmethod
    def _default_base_url(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("base_url"):
            return {**given, "base_url": f"https://{given.get('domain')}"}
        return given

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, schedule: str) -> str:
        from croniter import croniter

        if schedule != NEVER and not (len(schedule.split()) == 5 and croniter.is_valid(schedule)):
            raise ValueError(f"a cron expression of five fields or `{NEVER}` was expected")
        return schedule

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        if unknown := parameters.keys() - set(PARAMETERS):
            raise ValueError(f"not a parameter: {', '.join(sorted(unknown))}; allowed: {', '.join(PARAMETERS)}")
        return {name: _parameter(name, value) for name, value in parameters.items()}

    @field_validator("path_pattern")
    @classmethod
    def _check_path_pattern(cls, pattern: str | None) -> str | None:
        try:
            groups = re.compile(pattern).groupindex if pattern is not None else {"slug": 0}
        except re.error as error:
            raise ValueError(f"a regular expression was expected: {error}") from None
        if "slug" not in groups:
            raise ValueError("a group (?P<slug>…) was expected, found none")
        return pattern

    @model_validator(mode="after")
    def _check_kind(self) -> "Site":
        if self.kind == "wordpress" and self.path_pattern is None:
            raise ValueError("a site of kind wordpress needs path_pattern")
        if self.kind != "wordpress" and (self.path_pattern or self.lang):
            raise ValueError("only sites of kind wordpress have path_pattern and lang")
        return self


def _parameter(name: str, value: Any) -> Any:
    field = ArticleSettings.model_fields[name]
    expected = TypeAdapter(field.rebuild_annotation())
    try:
        checked = expected.dump_python(expected.validate_python(value), mode="json")
    except ValidationError as error:
        message = f"{name}: {error.errors()[0]['msg']}, found {excerpt(value)}. Expected: {field.description}"
        raise ValueError(message) from None
    return "inf" if checked == inf else checked  # JSON has no such number


def load_sites(settings: ArticleSettings) -> dict[str, Site]:
    """
    Return all sites by name: the shipped ones in the order of their file, then the user's own.

    Args:
        settings: `sites_file` names the user's file; without it, `sites.yaml` below QUARTET_HOME is optional.

    Raises:
        SitesError: a file is missing or invalid.
    """
    shipped = _read(BUILT_IN)
    configured = ROOT / Path(settings.sites_file).expanduser() if settings.sites_file else None
    own_file = configured or PlatformSettings.load().home / BUILT_IN.name
    own = _read(own_file) if configured or own_file.exists() else {}
    return {
        name: _site(name, shipped.get(name, {}) | own.get(name, {}), own_file if name in own else BUILT_IN)
        for name in shipped | own
    }


def find_site(sites: Mapping[str, Site], name: str) -> Site:
    """
    Return the site of this name.

    Raises:
        SitesError: there is none.
    """
    if name not in sites:
        raise SitesError(f"the name of a site was expected, one of {', '.join(sites)}; found {excerpt(name)}")
    return sites[name]


def schedules(sites: Mapping[str, Site]) -> dict[str, str | None]:
    """
    Return the schedule of each site: a cron expression in UTC, `None` if it is not enabled or is started by hand only.

    Enabled sites with the default schedule are spread over the hour, in their order.
    """
    staggered = [name for name, site in sites.items() if site.enabled and site.schedule == EVERY_TWO_HOURS]
    step = max(60 // max(len(staggered), 1), 1)
    minutes = {name: step * number % 60 for number, name in enumerate(staggered)}
    return {
        name: f"{minutes[name]} */2 * * *"
        if name in minutes
        else (site.schedule if site.enabled and site.schedule != NEVER else None)
        for name, site in sites.items()
    }


@cache
def shipped_sites() -> dict[str, Site]:
    """Return the sites that are shipped, by name."""
    return {name: _site(name, values, BUILT_IN) for name, values in _read(BUILT_IN).items()}


def _site(name: str, values: dict[str, Any], file: Path) -> Site:
    try:
        return Site(**{**values, "name": name})
    except ValidationError as error:
        explained = [_explained(each) for each in error.errors()]
        raise SitesError("\n".join(f"{file}, site {name}{each}" for each in explained)) from None


def _explained(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    found = "" if error["type"] in ("missing", "value_error") else f", found {excerpt(error['input'])}"
    return f"{key and ', '}{key}: {error['msg'].removeprefix('Value error, ')}{found}"


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """Read a file of sites without validating the values."""
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a subclass of SafeLoader)
    except OSError as error:
        raise SitesError(f"{file}: a readable file was expected, found: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SitesError(f"{file}: YAML was expected: {error}") from None
    for name, values in content.items() if isinstance(content, dict) else ():
        if not isinstance(name, str) or not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise SitesError(f"{file}, site {name}: keys with values were expected, found {excerpt(values)}")
        if "name" in values:
            raise SitesError(f"{file}, site {name}: the name is the key of the site; no key `name` was expected")
    if content is not None and not isinstance(content, dict):
        raise SitesError(f"{file}: sites by name were expected, found {excerpt(content)}")
    return content or {}


class _Loader(yaml.SafeLoader):
    """Rejects duplicate keys, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)
