"""The reference of experiments' files in `docs/experiments.md`, from the descriptions of the tables themselves.

`python -m experiments.documentation` prints what belongs between the marks there.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence

from experiments import catalog
from experiments.catalog import Entry
from experiments.json_schema import KIND_SUMMARIES, scheme_schema
from experiments.schema import Settings
from experiments.schemes import built_in
from testbed.base.json_schema import JsonSchema, table_schema
from testbed.base.parts import KINDS, UNSAID
from testbed.base.units import QUANTITIES

BEGIN = "<!-- reference: begin (python -m experiments.documentation) -->"
END = "<!-- reference: end -->"

_NAMES = {quantity.name for quantity in QUANTITIES}
_UNKNOWN = "what its part takes"


def markdown() -> str:
    """The quantities, the keys of every experiment, and the tables of each part; ends in a newline."""
    settings = table_schema(Settings)
    parts = catalog.ours()
    tables = {key: value for key, value in settings["properties"].items() if "properties" in value and key not in KINDS}
    own = {kind: {"description": KIND_SUMMARIES[kind], "type": ["object", "string"]} for kind in KINDS}
    for kind, name in UNSAID.items():
        own[kind]["default"] = name
    # What a table holds stands in a section of its own.
    properties = settings["properties"] | own | {key: {**value, "properties": {}} for key, value in tables.items()}
    required = [key for key in settings["required"] if key not in UNSAID]
    file = _table({"properties": properties, "required": required})
    sections = [_quantities(), "\n".join(["### The file", "", *file])]
    sections += [section for kind in KINDS for section in _kind(kind, parts.of(kind))]
    for key, table in tables.items():
        sections.append("\n".join([f"### `[{key}]`", "", table["description"], "", *_table(table)]))
    sections.append(_schemes())
    return "\n\n".join(sections) + "\n"


def _schemes() -> str:
    table = scheme_schema()
    own = {**table, "properties": {**table["properties"], "mptcp": {**table["properties"]["mptcp"], "properties": {}}}}
    rows = []
    for each in built_in().values():
        settings = ", ".join(f"`{setting}`" for setting in each.settings)
        rows.append(f"| `{each.name}` | {each.label} | {settings} | {each.description} |")
    head = ["### `[scheme.NAME]`", "", table["description"], "", *_table(own), "", "The toolkit has these:", ""]
    return "\n".join([*head, "| name | in figures | settings | what it is |", "|---|---|---|---|", *rows])


def _quantities() -> str:
    rows = [
        f'| {quantity.name} | {", ".join(f"`{unit}`" for unit in quantity.units)} | `"{quantity.example}"` |'
        for quantity in QUANTITIES
    ]
    return "\n".join(["### Quantities", "", "| quantity | units | example |", "|---|---|---|", *rows])


def _kind(kind: str, entries: Sequence[Entry]) -> Iterator[str]:
    yield f"### `[{kind}]`\n\n{KIND_SUMMARIES[kind]}"
    for entry in entries:
        table = table_schema(entry.part)
        keys = {key: value for key, value in table["properties"].items() if key != "part"}
        said = [f'#### `part = "{entry.name}"`', "", _paragraphs(entry.part)]
        yield "\n".join([*said, "", *_table({**table, "properties": keys})] if keys else [*said, "It has no keys."])


def _paragraphs(part: type) -> str:
    paragraphs = inspect.cleandoc(part.__doc__ or "").split("\n\n")
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _table(table: JsonSchema) -> Iterator[str]:
    """Rows for a table's keys, and after them the tables that stand in it, equal ones once."""
    properties, required = table["properties"], table.get("required", ())
    yield from ("| key | value | default | meaning |", "|---|---|---|---|")
    for key, value in properties.items():
        default = "required" if key in required else _default(value)
        yield f"| `{key}` | {_value(value)} | {default} | {value.get('description', '')} |".replace("|  |", "| |")
    for value in table.get("patternProperties", {}).values():
        yield f"| {value['title']} | {_value(value)} | | {value['description']} |"
    for word, alternatives in (("At least", table.get("anyOf", ())), ("Exactly", table.get("oneOf", ()))):
        if keys := [f"`{each['required'][0]}`" for each in alternatives if each.keys() == {"required"}]:
            yield from ("", f"{word} one of {_listed(keys, 'and')} is required.")
    yield from _inner(properties)


def _inner(properties: Mapping[str, JsonSchema]) -> Iterator[str]:
    groups: list[tuple[list[str], JsonSchema]] = []
    for key, value in properties.items():
        name, inner = (f"each of `{key}`", value.get("items", {})) if "items" in value else (f"`{key}`", value)
        if not inner.get("properties"):
            continue
        same = [names for names, other in groups if other["properties"] == inner["properties"]]
        if same:
            same[0].append(name)
        else:
            groups.append(([name], inner))
    for names, inner in groups:
        yield from ("", f"Keys of {_listed(names, 'and')}:", "", *_table(inner))


def _value(schema: JsonSchema, *, several: bool = False) -> str:
    """What a key's value is, in words."""
    plural = "s" if several else ""
    if schema.get("title") in _NAMES and schema["type"] == "string":
        return f"{schema['title']}{plural}"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return _listed([f"`{json.dumps(each)}`" for each in schema["enum"]], "or")
    if isinstance(schema.get("type"), list):
        return _listed([_value({**schema, "type": each}) for each in schema["type"]], "or")
    match schema.get("type"):
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return f"whole number{plural}{_bounds(schema)}"
        case "string":
            most = schema.get("maxLength")
            return f"text{plural}" + (f", {most} characters at most" if most else "")
        case "array":
            return f"list of {_value(schema.get('items', {}), several=True)}"
        case "object":
            return f"table{plural}"
    return _UNKNOWN


def _bounds(schema: JsonSchema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f", {least} to {most}"
    return "" if least is None else f", from {least}"


def _default(schema: JsonSchema) -> str:
    default: object = schema.get("default")
    return "" if default in (None, "") else f"`{json.dumps(default)}`"


def _listed(names: Sequence[str], word: str) -> str:
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else names[0]


if __name__ == "__main__":
    sys.stdout.write(f"{BEGIN}\n{markdown()}{END}\n")
