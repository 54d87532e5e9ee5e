"""Quantities of a link that need not be the same in both directions: one text for both, or a table with one for each.

Every link leads from an end that is nearer to the client to one that is nearer to the servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue

from testbed.base.json_schema import table_schema
from testbed.base.quantities import Delay, Loss
from testbed.base.table import ONE_OF, Table

DIRECTIONS = ("towards_client", "towards_server")
"""The keys of a quantity's table."""


@dataclass(frozen=True)
class ByDirection:
    """A quantity that differs between a link's directions."""

    towards_client: float
    towards_server: float

    @property
    def reversed(self) -> Self:
        """The same of a link that leads the other way."""
        return type(self)(self.towards_server, self.towards_client)


class _Table(Table):
    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"it names no direction: {', '.join(DIRECTIONS)}")
        return self


class DelayByDirection(_Table):
    """A delay of each direction."""

    towards_client_s: Delay = Field(
        default=0.0, alias="towards_client", description="Of what the servers' end sends to the client's."
    )
    towards_server_s: Delay = Field(
        default=0.0, alias="towards_server", description="Of what the client's end sends to the servers'."
    )


class LossByDirection(_Table):
    """A loss of each direction."""

    towards_client: Loss = Field(default=0.0, description="Of what the servers' end sends to the client's.")
    towards_server: Loss = Field(default=0.0, description="Of what the client's end sends to the servers'.")


def by_direction(value: float | DelayByDirection | LossByDirection) -> float | ByDirection:
    """A quantity of a link's table, as a link has it."""
    if isinstance(value, DelayByDirection):
        return ByDirection(value.towards_client_s, value.towards_server_s)
    if isinstance(value, LossByDirection):
        return ByDirection(value.towards_client, value.towards_server)
    return value


_BOTH, _EACH = ONE_OF


def _form(value: object) -> str:
    return _EACH if isinstance(value, Mapping | Table) else _BOTH


def _once(value: Any) -> Any:
    """What is the same in both directions is one number, however it was written."""
    found = by_direction(value)
    if isinstance(found, ByDirection) and found.towards_client == found.towards_server:
        return found.towards_client
    return value


@dataclass(frozen=True)
class _AsWritten:
    """The JSON Schema of either form: a text of the quantity, or the table with one for each direction."""

    table: type[Table]

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        text = handler(schema)["oneOf"][0]
        inner = {key: value for key, value in table_schema(self.table).items() if key not in ("description", "type")}
        return {**text, **inner, "type": ["string", "object"], "minProperties": 1}


DirectedDelay = Annotated[
    Annotated[Delay, Tag(_BOTH)] | Annotated[DelayByDirection, Tag(_EACH)],
    Discriminator(_form),
    AfterValidator(_once),
    _AsWritten(DelayByDirection),
]
DirectedLoss = Annotated[
    Annotated[Loss, Tag(_BOTH)] | Annotated[LossByDirection, Tag(_EACH)],
    Discriminator(_form),
    AfterValidator(_once),
    _AsWritten(LossByDirection),
]
