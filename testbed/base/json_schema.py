"""The JSON Schema of a table of an experiment's file, as the file has it: its keys, quantities with units, no null.

Only keywords are used that mean the same since draft 7 of JSON Schema: some editors know no later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from testbed.base.units import QUANTITIES

JsonSchema = dict[str, Any]

_QUANTITIES = {quantity.name: quantity for quantity in QUANTITIES}


class _AsWritten(GenerateJsonSchema):
    """What a file may say, in its own words: pydantic's own generator has the values that a file's text becomes."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def field_title_should_be_set(self, schema: Any) -> bool:
        """A title would be the key again."""
        del schema
        return False

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """The table, which has no name of its own in a file."""
        found = super().model_schema(schema)
        found.pop("title", None)
        return found

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        """A file leaves out what is not set."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """With a default that could stand in a file, if there is one."""
        found = super().default_schema(schema)
        default = found.pop("default", None)
        if default is not None and not isinstance(default, dict):
            found["default"] = _written(default, found)
        return found

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """What a user's own part takes and no schema can say: anything."""
        del schema, error_info
        return {}


def table_schema(table: type[BaseModel]) -> JsonSchema:
    """The JSON Schema of a table, in one piece."""
    found = table.model_json_schema(by_alias=True, schema_generator=_AsWritten)
    definitions = found.pop("$defs", {})
    return dict(_inlined(found, definitions, ()))


def overriding(table: JsonSchema) -> JsonSchema:
    """The schema of what overrides such a table: any of its keys, and none by default. A list is replaced whole."""
    without = {"default"}
    if "properties" in table:
        without |= {"required", "anyOf", "oneOf"}
    found = {key: value for key, value in table.items() if key not in without}
    if "properties" in table:
        found["properties"] = {key: overriding(value) for key, value in table["properties"].items()}
    return found


def _written(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, list | tuple):
        return [_written(each, schema.get("items", {})) for each in value]
    quantity = _QUANTITIES.get(schema.get("title", ""))
    return quantity.write(value) if quantity else value


def _inlined(node: Any, definitions: Mapping[str, JsonSchema], within: tuple[str, ...]) -> Any:
    """The same without references; a table that holds itself holds anything there."""
    if isinstance(node, list):
        return [_inlined(each, definitions, within) for each in node]
    if not isinstance(node, dict):
        return node
    found = {key: _inlined(value, definitions, within) for key, value in node.items() if key != "$ref"}
    if "$ref" not in node:
        return found
    name = node["$ref"].rpartition("/")[2]
    target = {} if name in within else _inlined(definitions[name], definitions, (*within, name))
    return {**target, **found}
