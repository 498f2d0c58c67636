"""Configuration of the sites: fields, files, schedules. Cheap enough to be imported by a DAG file."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from include.articles.parameters import check
from include.articles.settings import PARAMETERS, ArticleSettings
from include.articles.sites import files
from include.articles.sites.files import SitesError
from include.articles.sites.patterns import check_pattern
from include.core.settings import ROOT, PlatformSettings
from include.core.text import excerpt

BUILT_IN = Path(__file__).with_name("sites.yaml")
EVERY_TWO_HOURS = "0 */2 * * *"
NEVER = "never"
"""Schedule of a site whose runs are started by hand only."""
_NAME = r"^[a-z0-9][a-z0-9-]{0,99}$"
_HOST = r"^[a-z0-9-]+(\.[a-z0-9-]+)*$"
_OF_DAG = ("enabled", "schedule", "run_timeout_minutes", "parameters")
"""Keys that a DAG is built from."""


class Events(BaseModel):
    """
    The events of a site.

    Attributes:
        format: `amp`, `json` or `tsv`, see `include/articles/events/records.py`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["amp", "json", "tsv"] = "amp"


class Site(BaseModel):
    """
    One site.

    Attributes:
        name: key in the file of sites.
        domain: its host name without `www.`.
        hosts: further hosts of its pages, besides `domain` and what is below it; events of others are left out.
        events: how its events are written.
        kind: how it names and describes its articles; the adapter to use.
        base_url: its URL; default `https://<domain>`.
        enabled: whether it has a schedule.
        schedule: cron expression in UTC, or `never` for runs started by hand only.
        requests_per_second: maximum rate, redirects and retries included.
        concurrent_requests: maximum number of requests in flight.
        attempts: maximum number of requests per article.
        timeout_seconds: limit of one request; redirects share the time of the attempts, see `article_seconds`.
        max_wait_seconds: maximum wait between two attempts, whatever the site asks for.
        user_agent: value of the `User-Agent` header.
        run_timeout_minutes: time after which a run has failed.
        parameters: parameters of its runs, by the lower-case names of `PARAMETERS`; values as in JSON, `inf` as text.
        path_pattern: WordPress only: regular expression that matches the whole path of a post, with a group `slug`.
        lang: WordPress only: language of the posts, for a site that has several.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME)
    domain: str = Field(pattern=_HOST)
    hosts: list[Annotated[str, Field(pattern=_HOST)]] = []
    events: Events = Events()
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

    @property
    def article_seconds(self) -> float:
        """Limit of all requests for an article together: what the attempts may take that are not redirected."""
        return self.attempts * self.timeout_seconds + (self.attempts - 1) * self.max_wait_seconds

    @property
    def all_hosts(self) -> list[str]:
        """Hosts of its pages; what is below them counts, too."""
        return [self.domain, urlsplit(self.base_url).hostname or "", *self.hosts]

    @model_validator(mode="before")
    @classmethod
    def _default_base_url(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("base_url"):
            return {**given, "base_url": f"https://{given.get('domain')}"}
        return given

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, schedule: str) -> str:
        from croniter import CroniterBadDateError, croniter

        if schedule == NEVER:
            return schedule
        if len(schedule.split()) != 5 or not croniter.is_valid(schedule):
            raise ValueError(f"a cron expression of five fields or `{NEVER}` was expected, found {excerpt(schedule)}")
        try:
            croniter(schedule).get_next()
        except CroniterBadDateError:
            raise ValueError(f"there is no such day, found {excerpt(schedule)}; for no runs, write `{NEVER}`") from None
        return schedule

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str) -> str:
        try:
            host, _ = urlsplit(url).hostname, urlsplit(url).port
        except ValueError as error:
            raise ValueError(f"a URL was expected: {error}, found {excerpt(url)}") from None
        if not host:
            raise ValueError(f"a URL with a host was expected, found {excerpt(url)}")
        return url

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        if unknown := parameters.keys() - set(PARAMETERS):
            raise ValueError(f"not a parameter: {', '.join(sorted(unknown))}; allowed: {', '.join(PARAMETERS)}")
        return {name: check(name, value) for name, value in parameters.items()}

    @field_validator("path_pattern")
    @classmethod
    def _check_path_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_pattern(pattern)
        return pattern

    @model_validator(mode="after")
    def _check_kind(self) -> "Site":
        if self.kind == "wordpress" and self.path_pattern is None:
            raise ValueError("a site of kind wordpress needs path_pattern")
        if self.kind != "wordpress" and (self.path_pattern or self.lang):
            raise ValueError("only sites of kind wordpress have path_pattern and lang")
        return self


class Sites(dict[str, Site]):
    """
    The valid sites by name.

    Attributes:
        errors: what is wrong with each of the other sites, by name.
        stand_ins: in place of each of them, a site from which its DAG can be built; its runs fail with the error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.errors: dict[str, SitesError] = {}
        self.stand_ins: dict[str, Site] = {}

    @property
    def of_dags(self) -> dict[str, Site]:
        """All sites, valid or not, in the form from which their DAGs are built."""
        return {**self, **self.stand_ins}

    def add(self, name: str, values: dict[str, Any], file: Path) -> None:
        """Add a site from its keys and values, or what is wrong with it."""
        try:
            self[name] = Site(**{**values, "name": name})
        except ValidationError as error:
            explained = [_explained(each) for each in error.errors()]
            text = "\n".join(f"{file}, site {name}{each}" for each in explained)
            wrong = {each["loc"][0] for each in error.errors() if each["loc"]}
            self.refuse(name, SitesError(text), {key: values[key] for key in values.keys() - wrong})

    def refuse(self, name: str, error: SitesError, values: Mapping[str, Any]) -> None:
        """Add a site that is not valid; *values* are those of its values that are."""
        own = {key: value for key, value in values.items() if key in _OF_DAG}
        name = _dag_name(name)
        self.errors[name] = error
        self.stand_ins[name] = Site(name=name, domain="invalid", kind="washington_city_paper", **own)


def load_sites(settings: ArticleSettings) -> Sites:
    """
    Return all sites by name: the shipped ones in the order of their file, then the user's own.

    A site that is not valid is left out, see `Sites.errors`.

    Args:
        settings: `sites_file` names the user's file; without it, `sites.yaml` below QUARTET_HOME is optional.

    Raises:
        SitesError: a file is missing, or cannot be read as a whole.
    """
    shipped = files.read(BUILT_IN)
    configured = ROOT / Path(settings.sites_file).expanduser() if settings.sites_file else None
    own_file = configured or PlatformSettings.load().home / BUILT_IN.name
    own = files.read(own_file) if configured or own_file.exists() else files.Entries()
    sites = Sites()
    for name in shipped.sites | own.sites | own.errors:
        if error := own.errors.get(name):
            sites.refuse(name, error, {"enabled": True})  # whether it is, is unknown, and its error must be seen
        else:
            values = shipped.sites.get(name, {}) | own.sites.get(name, {})
            sites.add(name, values, own_file if name in own.sites else BUILT_IN)
    return sites


def find_site(sites: Mapping[str, Site], name: str) -> Site:
    """
    Return the site of this name.

    Raises:
        SitesError: there is none, or it is not valid.
    """
    if isinstance(sites, Sites) and name in sites.errors:
        raise sites.errors[name]
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
def shipped_sites() -> Sites:
    """Return the sites that are shipped, by name."""
    sites = Sites()
    for name, values in files.read(BUILT_IN).sites.items():
        sites.add(name, values, BUILT_IN)
    return sites


def _dag_name(name: str) -> str:
    """Return a valid name, unlike any valid one, for a site whose own is not."""
    if re.fullmatch(_NAME, name):
        return name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    return f"{plain or 'site'}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def _explained(error: Any) -> str:
    key, value = ".".join(str(part) for part in error["loc"]), error["input"]
    if error["type"] == "extra_forbidden":
        text = f"there is no such key; these are: {', '.join(each for each in Site.model_fields if each != 'name')}"
    else:
        text = error["msg"].removeprefix("Value error, ")
    found = "" if error["type"] in ("missing", "value_error") else f", found {excerpt(value)}"
    if error["type"] == "string_type":
        found += "; put it in quotes, since YAML takes it for something else"
    return f"{key and ', '}{key}: {text}{found}"
