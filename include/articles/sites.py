"""The newsrooms: what is configured of each, and what they run by default. A DAG file may import this."""

import re
from collections.abc import Hashable, Mapping
from functools import cache, cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from include.articles.settings import PARAMETERS, ArticleSettings
from include.core.errors import BadDataError
from include.core.settings import ROOT, PlatformSettings
from include.core.text import shown

if TYPE_CHECKING:
    from include.articles.newsrooms.base import Newsroom

BUILT_IN = Path(__file__).with_name("sites.yaml")
EVERY_TWO_HOURS = "0 */2 * * *"
NEVER = "never"
"""Schedule of a site whose runs are started by hand only."""


class SitesError(BadDataError):
    """A site that is not known, or a file of sites that is wrong; the message names file, site and key."""


class Site(BaseModel):
    """
    One newsroom.

    Attributes:
        name: key in the file of sites.
        domain: of its address, without `www.`.
        kind: how it names its articles and tells about them.
        base_url: its address; default `https://<domain>`.
        enabled: whether it has a schedule.
        schedule: cron expression in UTC, or `never`: by hand only.
        requests_per_second: sent to it at most, redirects and repetitions included.
        concurrent_requests: under way at a time.
        attempts: requests for an article at most.
        timeout_seconds: of one request.
        max_wait_seconds: between two attempts, whatever the site asks for.
        user_agent: how we introduce ourselves.
        run_timeout_minutes: after which a run has failed.
        parameters: of its runs, by the lower-case names of `PARAMETERS`; values as in JSON, `inf` as text.
        path_pattern: WordPress only: regular expression of the paths of posts, whole, with a group `slug`.
        lang: WordPress only: language of the posts, of a site that has several.
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
        """Name of its DAG."""
        return f"article_recs__{self.name.replace('-', '_')}"

    @cached_property
    def newsroom(self) -> "Newsroom":
        """Its ways."""
        from include.articles.newsrooms import newsroom_of

        return newsroom_of(self)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("base_url"):
            return {**given, "base_url": f"https://{given.get('domain')}"}
        return given

    @field_validator("schedule")
    @classmethod
    def _cron(cls, schedule: str) -> str:
        from croniter import croniter

        if schedule != NEVER and not (len(schedule.split()) == 5 and croniter.is_valid(schedule)):
            raise ValueError(f"a cron expression of five fields or `{NEVER}` was expected")
        return schedule

    @field_validator("parameters")
    @classmethod
    def _known(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        if unknown := parameters.keys() - set(PARAMETERS):
            raise ValueError(f"{', '.join(sorted(unknown))} is no parameter; these are: {', '.join(PARAMETERS)}")
        return {name: _parameter(name, value) for name, value in parameters.items()}

    @field_validator("path_pattern")
    @classmethod
    def _expression(cls, pattern: str | None) -> str | None:
        try:
            groups = re.compile(pattern).groupindex if pattern is not None else {"slug": 0}
        except re.error as error:
            raise ValueError(f"a regular expression was expected: {error}") from None
        if "slug" not in groups:
            raise ValueError("a group (?P<slug>…) was expected, found none")
        return pattern

    @model_validator(mode="after")
    def _fitting(self) -> "Site":
        if self.kind == "wordpress" and self.path_pattern is None:
            raise ValueError("path_pattern is expected of a site of kind wordpress")
        if self.kind != "wordpress" and (self.path_pattern or self.lang):
            raise ValueError("path_pattern and lang are for sites of kind wordpress")
        return self


def _parameter(name: str, value: Any) -> Any:
    field = ArticleSettings.model_fields[name]
    expected = TypeAdapter(field.rebuild_annotation())
    try:
        checked = expected.dump_python(expected.validate_python(value), mode="json")
    except ValidationError as error:
        message = f"{name}: {error.errors()[0]['msg']}, found {shown(value)}. Expected: {field.description}"
        raise ValueError(message) from None
    return "inf" if checked == inf else checked  # JSON has no number for it


def load_sites(settings: ArticleSettings) -> dict[str, Site]:
    """
    Give all sites by name: those that are shipped, in the order of the file, then your own.

    Args:
        settings: name the file of your sites; it need not be there if it is not named.

    Raises:
        SitesError: a file is missing or wrong.
    """
    shipped = _read(BUILT_IN)
    named = ROOT / Path(settings.sites_file).expanduser() if settings.sites_file else None
    own_file = named or PlatformSettings.load().home / BUILT_IN.name
    own = _read(own_file) if named or own_file.exists() else {}
    return {
        name: _site(name, shipped.get(name, {}) | own.get(name, {}), own_file if name in own else BUILT_IN)
        for name in shipped | own
    }


def find_site(sites: Mapping[str, Site], name: str) -> Site:
    """
    Give the site of this name.

    Raises:
        SitesError: there is none.
    """
    if name not in sites:
        raise SitesError(f"the name of a site was expected, one of {', '.join(sites)}; found {shown(name)}")
    return sites[name]


def schedules(sites: Mapping[str, Site]) -> dict[str, str | None]:
    """
    Say when each site runs: a cron expression in UTC, `None` for one that is not enabled or is run by hand.

    Enabled sites that have the default schedule are spread over the hour, in their order.
    """
    alike = [name for name, site in sites.items() if site.enabled and site.schedule == EVERY_TWO_HOURS]
    step = max(60 // max(len(alike), 1), 1)
    minutes = {name: step * number % 60 for number, name in enumerate(alike)}
    return {
        name: f"{minutes[name]} */2 * * *"
        if name in minutes
        else (site.schedule if site.enabled and site.schedule != NEVER else None)
        for name, site in sites.items()
    }


def extract_external_id(site: Site | str, path: object) -> str | None:
    """
    Say which article a path belongs to.

    Args:
        site: a site, or the name of one that is shipped.
        path: of an event; anything but text, such as a missing value, is no article's path.

    Returns:
        The external id; `None`: the path is no article's.

    Raises:
        SitesError: no site of this name is shipped.
    """
    if not isinstance(path, str):
        return None
    found = find_site(_shipped(), site) if isinstance(site, str) else site
    return found.newsroom.external_id(path)


@cache
def _shipped() -> dict[str, Site]:
    return {name: _site(name, values, BUILT_IN) for name, values in _read(BUILT_IN).items()}


def _site(name: str, values: dict[str, Any], file: Path) -> Site:
    try:
        return Site(**{**values, "name": name})
    except ValidationError as error:
        problems = [_explained(problem) for problem in error.errors()]
        raise SitesError("\n".join(f"{file}, site {name}{problem}" for problem in problems)) from None


def _explained(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    found = "" if problem["type"] in ("missing", "value_error") else f", found {shown(problem['input'])}"
    return f"{key and ', '}{key}: {problem['msg'].removeprefix('Value error, ')}{found}"


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """Read what a file says about sites; the values are not checked yet."""
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (it is a safe one)
    except OSError as error:
        raise SitesError(f"{file}: a readable file was expected, found: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SitesError(f"{file}: YAML was expected: {error}") from None
    for name, values in content.items() if isinstance(content, dict) else ():
        if not isinstance(name, str) or not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise SitesError(f"{file}, site {name}: keys with values were expected, found {shown(values)}")
        if "name" in values:
            raise SitesError(f"{file}, site {name}: the name is the key of the site; no key `name` was expected")
    if content is not None and not isinstance(content, dict):
        raise SitesError(f"{file}: sites by name were expected, found {shown(content)}")
    return content or {}


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)
