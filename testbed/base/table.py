"""A table of an experiment's file: a model whose fields' descriptions are its documentation.

The keys of the file are the fields' aliases, and quantities have units there. A point's record holds the same table as
plain data: the fields' own names, which end in their unit, and numbers (`plain`, `from_plain`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict

from testbed.base.quantities import PLAIN


class Table(BaseModel):
    """A table of the file: immutable, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def plain(self) -> dict[str, Any]:
        """The table as plain data, for a point's record: JSON's types, names with units, nothing that is not set."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Self:
        """The table that `plain` has described; raises pydantic's ValidationError."""
        return cls.model_validate(_with_aliases(cls, data), context=PLAIN)


ONE_OF = ("[one]", "[table]")
"""Where a key takes a quantity or a table of several, pydantic's places name which it was: no key of the file."""


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Plain data without tables in it: the `rate_bps` of a table `direct` is `direct_rate_bps`."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            # The numbers in a table `delay_s` say themselves what they are in.
            found |= flat(value, f"{prefix}{name.removesuffix('_s')}_")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _with_aliases(model: type[BaseModel], data: object) -> object:
    """The same data under the names that the file has."""
    if isinstance(data, list | tuple):
        return [_with_aliases(model, each) for each in data]
    if not isinstance(data, Mapping):
        return data
    renamed = {}
    for name, value in data.items():
        field = model.model_fields.get(name)
        inner = model_in(field.annotation) if field else None
        alias = field.alias if field and field.alias else name
        renamed[alias] = _with_aliases(inner, value) if inner else value
    return renamed


def model_in(annotation: object) -> type[BaseModel] | None:
    """The model that a field holds: itself, or in a list or a choice of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := model_in(each))), None)
