"""Checks a document against the schema and says in one line what is wrong, where, and what was meant.

Pydantic finds the problems; here they get words that a person who has never heard of pydantic can
use, the place where the value was written, and the nearest valid name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from experiments import chosen_parts, families, feasibility, plots, sysctls
from experiments.chosen_parts import AROUND_THE_SETTINGS
from experiments.composition import REGISTRIES
from experiments.document import Document
from experiments.schema import Settings, model_of
from experiments.toml_source import KeyPath
from experiments.values import IDENTITY, NAME_PATTERN, OWN_KEYS
from experiments.words import did_you_mean, mistyped, not_one_of, shown
from testbed.base import own_code
from testbed.base.errors import TestbedError
from testbed.base.own_code import Code
from testbed.base.parts import Complaint
from testbed.base.table import ONE_OF, model_in

_Model = TypeVar("_Model", bound=BaseModel)

_EMPTY = "must not be empty"

_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}


@dataclass(frozen=True)
class _Problem:
    path: KeyPath
    what: str
    hint: str
    rank: int  # which of several problems explains the others: the lowest


@dataclass(frozen=True)
class Valid:
    """The settings of a document, and the code of those of its parts that are users' own, by their kind.

    `plot` is the name of the figure that is drawn of it, and `own_figure` its file if it is a user's own.
    """

    settings: Settings
    codes: Mapping[str, Code]
    plot: str
    own_figure: Path | None = None


def validate(document: Document) -> Valid:
    """The settings that a document stands for.

    Raises ConfigError with `file:line`, or UsageError for what a `--set` brought in; further
    problems are only counted.
    """
    parts, codes = chosen_parts.of(document)
    with own_code.explained(tuple(codes.values())):
        settings = checked(document, model_of(*parts))
    sysctls.check(settings, document)
    with own_code.explained(tuple(codes.values())):
        for kind, complaint in _complaints(settings):
            raise document.error(
                (kind, complaint.key), f"{kind}.{complaint.key}: {complaint.what}", hint=complaint.hint
            )
    plot, own_figure = plots.of(settings.plot, document)
    return Valid(settings, codes, plot or settings.workload.plot, own_figure)


def checked(document: Document, model: type[_Model]) -> _Model:
    """The table that a document stands for; raises as `validate`."""
    try:
        return model.model_validate(dict(document.data))
    except ValidationError as error:
        problems = [_problem(document, model, details) for details in error.errors(include_url=False)]
        raise _first(document, problems) from None


def _complaints(settings: Settings) -> Iterator[tuple[str, Complaint]]:
    """What the parts say against their tables, each by itself and with the others."""
    topology, workload = settings.topology, settings.workload
    yield from (("topology", each) for each in topology.check())
    yield from (("topology", each) for each in families.complaints(settings))
    yield from (("topology", each) for each in feasibility.check_answers(settings))
    yield from (("director", each) for each in settings.director.check(topology))
    yield from (("director", each) for each in feasibility.check_health_check(settings))
    yield from (("director", each) for each in feasibility.check_routing(settings))
    yield from (("workload", each) for each in workload.check(topology))
    yield from (("timetable", each) for each in settings.timetable.check(topology, workload))
    yield from (("timetable", each) for each in feasibility.check(settings))
    yield from (("mptcp", each) for each in feasibility.check_announcements(settings))
    yield from (("topology", each) for each in feasibility.check_middlebox(settings))
    yield from (("protection", each) for each in settings.protection.check(topology))
    yield from (("protection", each) for each in feasibility.check_protection(settings))


def is_list(document: Document, path: tuple[str, ...]) -> bool:
    """Whether the schema has a list at `path` (so that an option may give `a,b` for it)."""
    field = _fields(model_of(*chosen_parts.of(document)[0])).get(path)
    return field is not None and get_origin(field.annotation) is tuple


def _first(document: Document, problems: list[_Problem]) -> TestbedError:
    unknown = {problem.hint for problem in problems if problem.what.startswith("unknown key")}
    # A list of which everything is wrong counts as empty, besides.
    wrong = {path[:end] for problem in problems if (path := problem.path) for end in range(len(path))}
    distinct: dict[KeyPath, _Problem] = {}
    for problem in problems:
        if problem.what.endswith(_EMPTY) and problem.path in wrong:
            continue
        # A mistyped key is missing under its right name, too: that is one mistake, not two.
        if not (problem.what.startswith("missing") and f"did you mean {problem.path[-1]!r}?" in unknown):
            distinct.setdefault(problem.path, problem)
    first, *others = sorted(distinct.values(), key=lambda one: (one.rank, document.origin(one.path).line))
    more = f"; and {len(others)} more {'errors' if len(others) > 1 else 'error'}" if others else ""
    return document.error(first.path, first.what + more, hint=first.hint)


def _problem(document: Document, model: type[BaseModel], details: ErrorDetails) -> _Problem:
    kind = details["type"]
    context = details.get("ctx", {})
    path = tuple(part for part in details["loc"] if part not in ("[key]", *ONE_OF))
    key, given = _dotted(path), details["input"]
    if kind == "extra_forbidden":
        return _Problem(path, *_unknown_key(document, model, path), rank=1)
    if kind == "missing":
        return _Problem(path, *_missing_key(document, model, path), rank=2)
    if kind == "literal_error":
        valid = re.findall(r"'([^']*)'", context["expected"])
        if len(valid) > 1:
            what, hint = not_one_of(key, given, valid)
        else:
            what, hint = f"{key} must be {context['expected']}, not {shown(given)}", ""
        return _Problem(path, what, hint, rank=0 if key == "version" else 2)
    if kind == "value_error":
        what = f"{key}: {context['error']}"
    elif kind in _WANTED:
        what = f"{key} must be {_WANTED[kind]}, not {shown(given)}"
    elif kind == "greater_than_equal":
        what = f"{key} must be at least {context['ge']}, not {shown(given)}"
    elif kind == "less_than_equal":
        what = f"{key} must be at most {context['le']}, not {shown(given)}"
    elif kind in ("too_short", "string_too_short"):
        what = f"{key} {_EMPTY}"
    elif kind == "string_too_long" or (kind == "too_long" and isinstance(given, str)):
        what = f"{key} may have {context['max_length']} characters at most, not {len(str(given))}"
    elif kind == "string_pattern_mismatch":
        is_name = context["pattern"] == NAME_PATTERN
        form = "may have letters, digits, '_' and '-' only" if is_name else f"is not of the form {context['pattern']}"
        what = f"{key}: {shown(given)} {form}"
    else:
        what = f"{key}: {details['msg']}"
    return _Problem(path, what, "", rank=2)


def _unknown_key(document: Document, model: type[BaseModel], path: KeyPath) -> tuple[str, str]:
    fields = _fields(model)
    table, key = path[:-1], str(path[-1])
    tables = tuple(str(part) for part in table if not isinstance(part, int))  # those of a list have the same keys
    siblings = [str(known[-1]) for known in fields if known[:-1] == tables]
    prefix = document.origin(path).prefix
    if not table and issubclass(model, Settings):
        own = OWN_KEYS.get(str(prefix[0])) if prefix else None
        siblings = [*own, *(key for key in siblings if key not in (*IDENTITY, "sweep"))] if own else siblings
        siblings += () if prefix else AROUND_THE_SETTINGS
    elsewhere = [".".join(known) for known in fields if known[-1] == key]
    place = f" in [{_dotted((*prefix, *table))}]" if prefix or table else ""
    if "." in key and (*tables, *key.split(".")) in fields:
        hint = f"without the quotes it is the key of a table: {key}"
    elif meant := mistyped(key, siblings):
        hint = f"did you mean {meant!r}?"
    elif others := _of_other_parts(tables, key):
        hint = f"of the part{'s' if len(others) > 1 else ''} {', '.join(others)}"
    elif elsewhere:
        hint = f"did you mean {elsewhere[0]!r}?"
    else:
        hint = did_you_mean(key, siblings, "valid keys")
    return f"unknown key {shown(key)}{place}", hint


def _of_other_parts(tables: Sequence[str], key: str) -> list[str]:
    """Our parts that have such a key in their table, where it is the table of a part."""
    if len(tables) != 1 or tables[0] not in REGISTRIES:
        return []
    return [repr(name) for name, keys in chosen_parts.keys_of_ours(tables[0]).items() if key in keys]


def _missing_key(document: Document, model: type[BaseModel], path: KeyPath) -> tuple[str, str]:
    table, key = path[:-1], path[-1]
    fields = _fields(model)
    has_keys = any(known[:-1] == path for known in fields)
    is_list_of_them = any(known == path and get_origin(field.annotation) is tuple for known, field in fields.items())
    if has_keys and not is_list_of_them:
        return f"missing table [{_dotted(path)}]", ""
    if own := document.origins.get(()):  # a table by itself
        table = (*own.prefix, *table)
    return f"missing key {key!r}" + (f" in [{_dotted(table)}]" if table else ""), ""


@lru_cache(maxsize=256)
def _fields(model: type[BaseModel]) -> Mapping[tuple[str, ...], FieldInfo]:
    return dict(_walk(model, ()))


def _walk(model: type[BaseModel], table: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in model.model_fields.items():
        path = (*table, field.alias or name)
        yield path, field
        if inner := model_in(field.annotation):
            yield from _walk(inner, path)


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
