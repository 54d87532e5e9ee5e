"""Variants and conditions of an experiment: named overrides of its settings, two more axes of its points.

A `[[variant]]` is one of the schemes that are compared, such as "flag only"; a `[[condition]]` is what each
of them is put to, such as "1 % loss". Either is a name and, as in a profile, the keys that it overrides. A
condition that means nothing to some variants (TCP has no ADD_ADDR to lose) names them in `without`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.document import Document, table_of
from experiments.words import did_you_mean
from testbed.base.text import plain

# What an experiment *is*; an override that changed it would make another one.
IDENTITY = ("version", "name", "figure", "title", "plot")

TABLES = ("variant", "condition")

LONGEST_NAME = 48
"""Characters; with the rest of a point's id it names directories and files."""


@dataclass(frozen=True)
class Choice:
    """One variant or condition: its name, what it overrides, and (conditions) the variants that it leaves out."""

    name: str
    values: Mapping[str, object]
    table: Document
    without: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """The name for an id: `flag + ADD_ADDR, 1 s` is `flag-add-addr-1-s`."""
        return label_of(self.name)

    def applied_to(self, document: Document) -> Document:
        """The document, overridden."""
        return document.overridden(self.values, self.table)


@dataclass(frozen=True)
class Case:
    """One combination, each half of which may be missing (None)."""

    variant: Choice | None
    condition: Choice | None

    @property
    def choices(self) -> list[Choice]:
        """What there is of variant and condition, in the order in which they are applied."""
        return [choice for choice in (self.variant, self.condition) if choice is not None]


def label_of(name: str) -> str:
    """A variant's or condition's name in lower case, with `-` for what an id may not hold."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def cases(whole: Document) -> list[Case]:
    """Every variant under every condition, in the file's order, conditions outside.

    A file without either has the one case of no choice. Raises ConfigError with `file:line`.
    """
    variants, conditions = _choices(whole, "variant", ()), _choices(whole, "condition", _names(whole, "variant"))
    rows: list[Choice | None] = [*conditions] or [None]
    columns: list[Choice | None] = [*variants] or [None]
    found = [
        Case(variant, condition)
        for condition in rows
        for variant in columns
        if not (variant and condition and variant.name in condition.without)
    ]
    for index, condition in enumerate(conditions):
        if all(case.condition is not condition for case in found):
            raise whole.error(("condition", index, "without"), f"{condition.name!r} leaves out every variant")
    return found


def _choices(whole: Document, kind: str, variants: Sequence[str]) -> list[Choice]:
    entries = whole.data.get(kind, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise whole.error((kind,), f"{kind} must be tables, each under a [[{kind}]]")
    names = _names(whole, kind)
    choices: list[Choice] = []
    for index, name in enumerate(names):
        if label_of(name) in (choice.label for choice in choices):
            raise whole.error((kind, index, "name"), f"{kind} {name!r}: another one has the same name in an id")
        table = table_of(whole, kind, index)
        values = {key: value for key, value in table.data.items() if key != "name"}
        without = values.pop("without", []) if kind == "condition" else []
        for key in values:
            if key in (*IDENTITY, *TABLES, "profile"):
                raise whole.error((kind, index, key), f"a {kind} cannot change {key!r}")
        choices.append(Choice(name, values, table, _without(whole, index, without, variants)))
    return choices


def _names(whole: Document, kind: str) -> list[str]:
    names = []
    for index in range(len(entries) if isinstance(entries := whole.data.get(kind), list) else 0):
        name = whole.value((kind, index, "name"))
        if name is None:
            raise whole.error((kind, index), f"missing key 'name' in [[{kind}]]")
        if not isinstance(name, str) or not label_of(name):
            raise whole.error((kind, index, "name"), f"the name of a {kind} must be a text with letters or digits")
        if len(name) > LONGEST_NAME or plain(name) != name:
            what = f"the name of a {kind} is one line of {LONGEST_NAME} characters at most"
            raise whole.error((kind, index, "name"), what)
        names.append(name)
    return names


def _without(whole: Document, index: int, without: object, variants: Sequence[str]) -> frozenset[str]:
    path = ("condition", index, "without")
    if not isinstance(without, list):
        raise whole.error(path, "without must be a list of variants' names")
    for place, name in enumerate(without):
        if name not in variants:
            hint = did_you_mean(str(name), variants, "the variants are") if variants else "there is no [[variant]]"
            raise whole.error((*path, place), f"without: no variant {name!r}", hint=hint)
    return frozenset(without)
