"""The bodies of the API of the platform."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class MadeBy(BaseModel):
    """The run that made a row; what is not known is `null`."""

    dag: str | None
    run: str | None
    task: str | None
    code: str | None = Field(description="version of Quartet, and a digest of its code")
    parameters: dict[str, Any] = Field(description="everything else that determines the result")


class Source(BaseModel):
    """Something that a row was made from."""

    kind: str
    uri: str = Field(description="the data set: a path below the storage root, a table, or an address")
    version: str | None
    sha256: str | None = Field(description="checksum of the file, as it was read")
    selector: dict[str, Any] | None = Field(description="which rows, as a condition of OpenLineage's `subset` facets")
    share: float | None = Field(description="its contribution to the value")
    value: Any = Field(description="what was read; `null`: the whole data set, or no longer there")
    row: str | None = Field(default=None, description="by this it can be explained in turn")
    why: "Why | None" = Field(default=None, description="this explanation, if `depth` asks for it")


class Checked(BaseModel):
    """Result of the last check of the run."""

    verdict: str
    when: str


class Why(BaseModel):
    """How a row was made."""

    model_config = ConfigDict(populate_by_name=True)

    row: str
    value: Any
    made_by: MadeBy
    sources: list[Source] = Field(alias="from")
    checked: Checked | None


class RowKind(BaseModel):
    """A kind of rows that can be explained."""

    row: str = Field(examples=["quartet://songs/{day}/dataset/{line}"])
    title: str
    dag: str


class RowKinds(BaseModel):
    """All kinds of rows that can be explained."""

    kinds: list[RowKind]
