"""The Open Data Contract Standard (ODCS v3.x), read as other tools write it.

Every key of v3.1.0 is known here, so that a misspelt one is an error; what Landfall acts on is typed, the
rest is carried along. Source: schema/odcs-json-schema-v3.1.0.json of
https://github.com/bitol-io/open-data-contract-standard.
"""

# ruff: noqa: N815 - the names are the standard's

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from include.spec.model import Model

LogicalType = Literal["string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"]
Scalar = str | int | float | bool | None


class CustomProperty(Model):
    """A key and value that the standard leaves to its users."""

    id: str | None = None
    property: str
    value: Any
    description: str | None = None


class LogicalTypeOptions(Model):
    """Limits of a column's values; which apply depends on its logical type."""

    minLength: int | None = Field(None, ge=0)
    maxLength: int | None = Field(None, ge=0)
    pattern: str | None = None
    format: str | None = None
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    exclusiveMinimum: int | float | str | None = None
    exclusiveMaximum: int | float | str | None = None
    multipleOf: int | float | None = None
    timezone: bool | None = None
    defaultTimezone: str | None = None
    minProperties: int | None = None
    maxProperties: int | None = None
    required: tuple[str, ...] | None = Field(None, strict=False)
    minItems: int | None = None
    maxItems: int | None = None
    uniqueItems: bool | None = None


class QualityCheck(Model):
    """A check on a column or a table: one of the standard's metrics, or a SQL query."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    type: Literal["text", "library", "sql", "custom"] = "library"
    metric: Literal["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"] | None = None
    rule: str | None = None
    arguments: dict[str, Any] | None = None
    query: str | None = None
    engine: str | None = None
    implementation: Any = None
    mustBe: Any = None
    mustNotBe: Any = None
    mustBeGreaterThan: float | None = None
    mustBeGreaterOrEqualTo: float | None = None
    mustBeLessThan: float | None = None
    mustBeLessOrEqualTo: float | None = None
    mustBeBetween: tuple[float, float] | None = Field(None, strict=False)
    mustNotBeBetween: tuple[float, float] | None = Field(None, strict=False)
    unit: str | None = None
    severity: str | None = None
    dimension: str | None = None
    method: str | None = None
    businessImpact: str | None = None
    schedule: str | None = None
    scheduler: str | None = None
    tags: tuple[str, ...] | None = Field(None, strict=False)
    authoritativeDefinitions: list[dict[str, Any]] | None = None
    customProperties: list[CustomProperty] | None = None


class _Element(Model):
    id: str | None = None
    physicalName: str | None = None
    physicalType: str | None = None
    description: str | None = None
    businessName: str | None = None
    authoritativeDefinitions: list[dict[str, Any]] | None = None
    tags: tuple[str, ...] | None = Field(None, strict=False)
    customProperties: list[CustomProperty] | None = None
    relationships: list[dict[str, Any]] | None = None
    quality: tuple[QualityCheck, ...] = Field((), strict=False)


class _TypedElement(_Element):
    logicalType: LogicalType | None = None
    logicalTypeOptions: LogicalTypeOptions = LogicalTypeOptions()
    required: bool = False
    unique: bool = False
    primaryKey: bool = False
    primaryKeyPosition: int = -1
    partitioned: bool = False
    partitionKeyPosition: int = -1
    classification: str | None = None
    encryptedName: str | None = None
    transformSourceObjects: list[str] | None = None
    transformLogic: str | None = None
    transformDescription: str | None = None
    examples: list[Any] | None = None
    criticalDataElement: bool = False
    properties: tuple[Property, ...] = Field((), strict=False)
    items: ItemProperty | None = None


class Property(_TypedElement):
    """A column, or a field of an object column."""

    name: str


class ItemProperty(_TypedElement):
    """The element type of an array column."""

    name: str | None = None


class SchemaObject(_Element):
    """A table."""

    name: str
    logicalType: str | None = None
    dataGranularityDescription: str | None = None
    properties: tuple[Property, ...] = Field((), strict=False)


class SlaProperty(Model):
    """One promise about timeliness, availability or life span."""

    id: str | None = None
    property: str
    value: Scalar
    valueExt: Scalar = None
    unit: str | None = None
    element: str | None = None
    driver: str | None = None
    description: str | None = None
    scheduler: str | None = None
    schedule: str | None = None


class SupportItem(Model):
    """A channel on which people are reached."""

    id: str | None = None
    channel: str
    url: str | None = None
    description: str | None = None
    tool: str | None = None
    scope: str | None = None
    invitationUrl: str | None = None
    customProperties: list[CustomProperty] | None = None


class TeamMember(Model):
    """A person of the owning team."""

    model_config = ConfigDict(frozen=True, extra="allow")
    username: str | None = None
    role: str | None = None


class Team(Model):
    """The owning team (v3.1; v3.0 wrote a bare list of members)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str | None = None
    members: tuple[TeamMember, ...] = Field((), strict=False)


class Contract(Model):
    """A data contract: what a dataset holds, who answers for it, and what it promises."""

    kind: Literal["DataContract"]
    apiVersion: Literal["v3.1.0", "v3.0.2", "v3.0.1", "v3.0.0", "v2.2.2", "v2.2.1", "v2.2.0"]
    id: str
    version: str
    status: str
    name: str | None = None
    tenant: str | None = None
    domain: str | None = None
    dataProduct: str | None = None
    tags: tuple[str, ...] | None = Field(None, strict=False)
    description: dict[str, Any] | None = None
    servers: list[dict[str, Any]] | None = None
    schema_: tuple[SchemaObject, ...] = Field((), alias="schema", strict=False)
    support: tuple[SupportItem, ...] = Field((), strict=False)
    price: dict[str, Any] | None = None
    team: Team | Annotated[tuple[TeamMember, ...], Field(strict=False)] | None = None
    roles: list[dict[str, Any]] | None = None
    slaDefaultElement: str | None = None
    slaProperties: tuple[SlaProperty, ...] = Field((), strict=False)
    authoritativeDefinitions: list[dict[str, Any]] | None = None
    customProperties: list[CustomProperty] | None = None
    contractCreatedTs: str | None = None

    @property
    def owner(self) -> str:
        """The team that answers for the dataset; its domain where no team is named."""
        name = self.team.name if isinstance(self.team, Team) else None
        return name or self.domain or "data"
