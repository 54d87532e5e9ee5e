"""The JSON Schema of experiments' files, for editors and other programs: `testbed schema`.

It says what a file may look like: which tables and keys there are, which of them a part has, how a quantity is
written. What a value means beside others (a server to remove that there is, a cycle that is longer than `up`) only
the toolkit itself can say. What the toolkit takes, the schema takes.

Only keywords are used that mean the same since draft 7 of JSON Schema: some editors know no later one. What stands
beside a `$ref`, which they do not read, is a description.
"""

from __future__ import annotations

import re
from typing import Any

from experiments.catalog import Catalog, Entry
from experiments.composition import REGISTRIES
from experiments.profiles import STANDARD_PROFILES
from experiments.schema import VERSION, Settings
from experiments.schemes import ALL, SchemeTable
from experiments.sweep import NOT_SWEPT
from experiments.values import IDENTITY
from experiments.variants import LONGEST_NAME
from testbed.base import own_code
from testbed.base.json_schema import JsonSchema, overriding, table_schema
from testbed.base.parts import KINDS, NAMED_BY, UNSAID, summary

DRAFT = "https://json-schema.org/draft/2020-12/schema"

TITLE = "An experiment of the testbed"
"""With which the schema's title begins."""

KIND_SUMMARIES = {kind: summary(registry.base) for kind, registry in REGISTRIES.items()}
"""What the parts of each kind are, in a line."""

_OWN_PATH: JsonSchema = {"type": "string", "pattern": r"\.py$|/", "description": "A part of your own, by its path."}
_CHOICE_NAME: JsonSchema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_NAME,
    "pattern": "[A-Za-z0-9]",
    "description": "Its name in tables and figures.",
}
_SCHEME_NAME: JsonSchema = {"type": "string", "description": "The scheme that it begins with."}
_WITHOUT: JsonSchema = {
    "type": "array",
    "items": {"type": "string"},
    "description": "The variants (or schemes) that it means nothing to, and conditions of other axes.",
}
_AXIS: JsonSchema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_NAME,
    "description": "Which of several kinds of conditions it is; one of each is met at a time.",
}
_ANYTHING: JsonSchema = {"$comment": "Nothing is refused here: editors that read no `if` find the parts' keys."}


def schema(catalog: Catalog) -> JsonSchema:
    """The JSON Schema (draft 2020-12) of a file whose parts are in the catalogue, or users' own files.

    Raises `UsageError`, in one line with the file's name, for what goes wrong inside a user's own part.
    """
    settings = table_schema(Settings)
    others = {key: value for key, value in settings["properties"].items() if key not in KINDS}
    tables = {key: value for key, value in others.items() if value.get("type") == "object"}
    overridable = {key: overriding(value) for key, value in others.items() if key not in (*IDENTITY, *tables)}
    overridable |= {kind: _ref(f"{kind}.changes", KIND_SUMMARIES[kind]) for kind in KINDS}
    overridable |= {key: _ref(f"{key}.changes", value.get("description", "")) for key, value in tables.items()}
    of_arms = {key: value for key, value in overridable.items() if key not in NOT_SWEPT}
    definitions = {f"{key}.changes": overriding(value) for key, value in tables.items()}
    definitions["changes"] = _table(overridable, description="What is overridden; the rest is as the file says.")
    with own_code.explained(catalog.codes):
        for kind in KINDS:
            definitions |= _definitions(kind, catalog.of(kind))
    changes = _ref("changes", "What is overridden in this profile.")
    around: JsonSchema = {
        "profile": {
            "type": "object",
            "description": "The same experiment in other sizes (`--profile NAME`).",
            "properties": dict.fromkeys(STANDARD_PROFILES, changes),
            "additionalProperties": changes,
        },
        "variant": {
            "type": "array",
            "description": "The arms that are compared: what each overrides.",
            "items": _table({"name": _CHOICE_NAME, "scheme": _SCHEME_NAME, **of_arms}, required=["name"]),
        },
        "condition": {
            "type": "array",
            "description": "What each variant is put to: what each overrides.",
            "items": _table({"name": _CHOICE_NAME, "axis": _AXIS, "without": _WITHOUT, **of_arms}, required=["name"]),
        },
    }
    around["scheme"] = {
        "type": "object",
        "description": "Schemes of this experiment, by their names.",
        "propertyNames": {"pattern": "^[a-z][a-z0-9-]*$", "maxLength": LONGEST_NAME, "not": {"const": ALL}},
        "additionalProperties": scheme_schema(),
    }
    kinds = {kind: _ref(kind, KIND_SUMMARIES[kind]) for kind in KINDS}
    required = [key for key in settings["required"] if key not in UNSAID]
    return {
        "$schema": DRAFT,
        "title": f"{TITLE}, version {VERSION}",
        **_table({**others, **kinds, **around}, required=required),
        "allOf": [_with_part(entry) for entry in catalog.entries],
        "$defs": definitions,
    }


def scheme_schema() -> JsonSchema:
    """The JSON Schema of a scheme's table."""
    return table_schema(SchemeTable)


def _definitions(kind: str, entries: list[Entry]) -> dict[str, JsonSchema]:
    """The kind's table as it stands, and as it overrides; and those of each of its parts."""
    names = {"anyOf": [*(_named(entry) for entry in entries), _OWN_PATH]}
    found: dict[str, JsonSchema] = {}
    alone = []
    for entry in entries:
        table = table_schema(entry.part)
        naming = dict.fromkeys(_naming(kind), _named(entry))
        table = {**table, "properties": {**table["properties"], **naming}, "description": entry.summary}
        found[_key(entry)] = {
            **table,
            "required": [*([] if kind in NAMED_BY else ["part"]), *table.get("required", ())],
        }
        found[f"{_key(entry)}.changes"] = overriding(table)
        if not table.get("required") and "anyOf" not in table:
            alone.append(_named(entry))
    found[kind] = {
        "description": KIND_SUMMARIES[kind],
        "type": ["object", "string"],
        "if": {"type": "string"},
        "then": {"anyOf": [*alone, _OWN_PATH]},
        "else": {**_one_of(_naming(kind)), "properties": dict.fromkeys(_naming(kind), names)},
        "allOf": [{"if": _table_of(entry), "then": _ref(_key(entry))} for entry in entries],
        "anyOf": [*(_ref(_key(entry)) for entry in entries), _ANYTHING],
    }
    found[f"{kind}.changes"] = {
        "description": KIND_SUMMARIES[kind],
        "type": ["object", "string"],
        "if": {"type": "string"},
        "then": names,
        "else": {**_not_all_of(_naming(kind)), "properties": dict.fromkeys(_naming(kind), names)},
        "allOf": [{"if": _table_of(entry), "then": _ref(f"{_key(entry)}.changes")} for entry in entries],
        "anyOf": [*(_ref(f"{_key(entry)}.changes") for entry in entries), _ANYTHING],
    }
    # Whether something overrides which part it is: then what else it says of it cannot be told from the table above.
    said = [{"type": "string"}, *({"required": [key]} for key in _naming(kind))]
    another = {"required": [kind], "properties": {kind: {"anyOf": said}}}
    found[f"{kind}.is-replaced"] = {
        "anyOf": [
            {"required": [key], "properties": {key: {"type": "array", "contains": another}}}
            for key in ("variant", "condition")
        ]
        + [{"required": ["profile"], "not": {"properties": {"profile": {"additionalProperties": {"not": another}}}}}]
    }
    return found


def _with_part(entry: Entry) -> JsonSchema:
    """What overrides an experiment with this part may say of it, where it names none itself."""
    chosen: JsonSchema = {
        "required": [entry.kind],
        "properties": {entry.kind: {"anyOf": [{"type": "string", **_named(entry)}, _table_of(entry)]}},
    }
    if UNSAID.get(entry.kind) == entry.name:
        chosen = {"anyOf": [chosen, {"not": {"required": [entry.kind]}}]}
    changed = {"properties": {entry.kind: {"if": {"type": "object"}, "then": _ref(f"{_key(entry)}.changes")}}}
    return {
        "if": {"allOf": [chosen, {"not": _ref(f"{entry.kind}.is-replaced")}]},
        "then": {
            "properties": {
                "profile": {"additionalProperties": changed},
                "variant": {"items": changed},
                "condition": {"items": changed},
            }
        },
    }


def _named(entry: Entry) -> JsonSchema:
    """How a file names the part: a user's own by any path that ends in its file's name."""
    if not entry.is_path:
        return {"const": entry.name, "description": entry.summary}
    name = re.escape(entry.name.rstrip("/").rpartition("/")[2])
    return {"type": "string", "pattern": f"(^|/){name}/?$", "description": entry.summary}


def _table_of(entry: Entry) -> JsonSchema:
    """The condition that a table is that of this part."""
    name = {key: value for key, value in _named(entry).items() if key != "description"}
    tables = [{"type": "object", "required": [key], "properties": {key: name}} for key in _naming(entry.kind)]
    return tables[0] if len(tables) == 1 else {"anyOf": tables}


def _naming(kind: str) -> list[str]:
    """The keys of a kind's table that say which part it is, one of them at a time."""
    return ["part", *([NAMED_BY[kind]] if kind in NAMED_BY else [])]


def _one_of(keys: list[str]) -> JsonSchema:
    return {"required": keys} if len(keys) == 1 else {"oneOf": [{"required": [key]} for key in keys]}


def _not_all_of(keys: list[str]) -> JsonSchema:
    return {} if len(keys) == 1 else {"not": {"required": keys}}


def _key(entry: Entry) -> str:
    return f"{entry.kind}.{re.sub(r'[^A-Za-z0-9_.-]+', '-', entry.name)}"


def _ref(name: str, description: str = "") -> JsonSchema:
    return {"$ref": f"#/$defs/{name}", **({"description": description} if description else {})}


def _table(properties: JsonSchema, **more: Any) -> JsonSchema:
    return {"type": "object", **more, "properties": properties, "additionalProperties": False}
