"""Variants and conditions of an experiment: named overrides of its settings, two more axes of its points.

A `[[variant]]` is one of the arms that are compared, such as "flag only"; a `[[condition]]` is what each of them is
put to, such as "1 % loss". Either is a name and, as in a profile, the keys that it overrides. A condition that means
nothing to some variants (TCP has no ADD_ADDR to lose) names them in `without`. Conditions may be of several axes, which
they name (`axis = "balancer"`, `axis = "event"`): then each of one axis meets each of the others, but for those in its
`without`.

An experiment that has `schemes` instead of variants has an arm for each of these, over MPTCP, and one over TCP if
that is among its protocols. A variant may begin with a scheme (`scheme = "paper"`) and override some of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from experiments import schemes
from experiments.document import Document, leaves, table_of
from experiments.missing_keys import missing
from experiments.schemes import Scheme
from experiments.sweep import NOT_SWEPT, Sample
from experiments.toml_source import KeyPath
from experiments.values import OWN_KEYS, Protocol
from experiments.words import did_you_mean
from testbed.base.errors import UsageError
from testbed.base.parts import KINDS
from testbed.base.text import plain

TABLES = ("variant", "condition", "scheme")

LONGEST_NAME = 48
"""Characters; with the rest of a point's id it names directories and files."""


@dataclass(frozen=True)
class Choice:
    """One variant or condition: its name, what it overrides, and of a condition its axis and what it does not meet:
    variants, and conditions of other axes.
    """

    name: str
    values: Mapping[str, object]
    table: Document
    axis: str = ""
    without: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """The name for an id: `flag + ADD_ADDR, 1 s` is `flag-add-addr-1-s`."""
        return label_of(self.name)

    def applied_to(self, document: Document) -> Document:
        """The document, overridden."""
        return document.overridden(self.values, self.table)

    def paths(self) -> Iterator[tuple[str, ...]]:
        """The settings that it overrides; the name of a part alone stands in its table."""
        for path, value in leaves(self.values):
            yield (*path, "part") if len(path) == 1 and path[0] in KINDS and isinstance(value, str) else path


@dataclass(frozen=True)
class Case:
    """One arm under one condition of each axis; any of it may be missing.

    An arm is a variant, a scheme, or a variant that begins with a scheme. `sample` is one combination of the values of
    a sweep. `only` is the one protocol that it has, where
    that is not the experiment's to say; `changed` says that an option has overridden settings of its scheme.
    """

    variant: Choice | None = None
    conditions: tuple[Choice, ...] = ()
    scheme: Scheme | None = None
    only: Protocol | None = None
    changed: bool = False
    sample: Sample | None = None

    @property
    def choices(self) -> list[Choice | Scheme | Sample]:
        """What there is of scheme, variant, conditions and sweep, in the order in which they are applied."""
        return [choice for choice in (self.scheme, self.variant, *self.conditions, self.sample) if choice is not None]

    @property
    def condition(self) -> str:
        """The names of its conditions, in the order of their axes, or an empty text."""
        return ": ".join(each.name for each in self.conditions)

    @property
    def label(self) -> str:
        """What it adds to a point's id, each part with a `-` before it."""
        arm = self.variant.label if self.variant else self.scheme.name if self.scheme else ""
        swept = self.sample.label if self.sample else ""
        return "".join(f"-{each}" for each in (*(each.label for each in self.conditions), swept, arm) if each)

    @property
    def arm(self) -> str:
        """What its curve is called, or an empty text: as its protocol is."""
        if self.variant or not self.scheme:
            return self.variant.name if self.variant else ""
        return f"{self.scheme.label}, changed" if self.changed else self.scheme.label

    @property
    def whole_scheme(self) -> str:
        """The name of the scheme that it is in all of its settings, or an empty text."""
        return self.scheme.name if self.scheme and not self.variant and not self.changed else ""

    def protocols(self, given: Sequence[Protocol]) -> list[Protocol]:
        """Those of an experiment's protocols that it has."""
        return [protocol for protocol in given if self.only in (None, protocol)]


@dataclass(frozen=True)
class Axes:
    """The variants and conditions of a file, the schemes that it offers, and those that it can be run with."""

    variants: tuple[Choice, ...] = ()
    conditions: tuple[Choice, ...] = ()
    offered: tuple[str, ...] = ()
    schemes: Mapping[str, Scheme] = field(default_factory=dict)
    begins_with: Mapping[str, Scheme] = field(default_factory=dict)
    """By a variant's name the scheme that it begins with."""

    def cases(self, asked: Sequence[str] = ()) -> list[Case]:
        """Every arm under every condition, in the file's order, conditions outside, the first axis outermost.

        `asked` are the names of schemes (`experiments.schemes.chosen`). A file without any of it has the one case of
        no choice. Raises UsageError for a scheme that there is not, or that nothing can be measured with.
        """
        if self.variants and (wanted := [name for name in asked if name != schemes.ALL]):
            raise UsageError(f"scheme {wanted[0]!r}: the arms of this experiment are its own: each [[variant]] is one")
        arms = self._arms(asked)
        return [
            Case(arm.variant, conditions, arm.scheme, arm.only)
            for conditions in self._met()
            for arm in arms
            if not any(_name(arm) in condition.without for condition in conditions)
        ]

    def _met(self) -> list[tuple[Choice, ...]]:
        """The conditions that arms are put to together: one of each axis, none of them without another."""
        by_axis = [[each for each in self.conditions if each.axis == axis] for axis in self._of_conditions()]
        return [
            together
            for together in product(*by_axis)
            if not any(one.name in other.without for one in together for other in together)
        ]

    def _of_conditions(self) -> list[str]:
        return list(dict.fromkeys(each.axis for each in self.conditions))

    def _arms(self, asked: Sequence[str]) -> list[Case]:
        if self.variants:
            return [Case(variant, scheme=self.begins_with.get(variant.name)) for variant in self.variants]
        found = schemes.chosen(asked, self.offered, self.schemes)
        return [Case(only="tcp"), *(Case(scheme=each, only="mptcp") for each in found)] if found else [Case()]


def label_of(name: str) -> str:
    """A variant's or condition's name in lower case, with `-` for what an id may not hold."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def axes(whole: Document, offered: Sequence[str], known: Mapping[str, Scheme]) -> Axes:
    """The axes of a file's points; `offered` is what it says of `schemes`. Raises ConfigError with `file:line`."""
    names = _names(whole, "variant")
    for place, name in enumerate(offered):
        if names:
            what = "schemes and [[variant]] are two ways to say what is compared"
            raise whole.error(("schemes",), what, hint='a variant can begin with a scheme: scheme = "paper"')
        if name not in known:
            hint = did_you_mean(name, known, "the schemes are")
            raise whole.error(("schemes", place), f"schemes: no scheme {name!r}", hint=hint)
    begins_with = {}
    for index, name in enumerate(names):
        if (scheme := whole.value(("variant", index, "scheme"))) is not None:
            if scheme not in known:
                hint = did_you_mean(str(scheme), known, "the schemes are")
                raise whole.error(("variant", index, "scheme"), f"variant {name!r}: no scheme {scheme!r}", hint=hint)
            begins_with[name] = known[str(scheme)]
    variants = _choices(whole, "variant", ())
    conditions = _choices(whole, "condition", names or offered)
    found = Axes(tuple(variants), tuple(conditions), tuple(offered), known, begins_with)
    cases = found.cases([schemes.ALL])
    for index, condition in enumerate(conditions):
        if all(condition not in case.conditions for case in cases):
            raise whole.error(("condition", index, "without"), f"{condition.name!r} leaves out every variant")
    _check_ids(whole, conditions, cases)
    _check_keys(whole, conditions, cases)
    return found


def _check_ids(whole: Document, conditions: Sequence[Choice], cases: Sequence[Case]) -> None:
    """Names that differ one by one can be the same one behind the other: `x y` and `z`, `x` and `y z`."""
    seen: dict[tuple[str, str | None], str] = {}
    for case in cases:
        said = ": ".join(each for each in (case.condition, _name(case)) if each)
        other = seen.setdefault((case.label, case.only), said)
        if other != said:
            path = ("condition", conditions.index(case.conditions[-1]), "name")
            raise whole.error(path, f"{other!r} and {said!r} have the same name in an id, {case.label[1:]!r}")


def _check_keys(whole: Document, conditions: Sequence[Choice], cases: Sequence[Case]) -> None:
    """Conditions that meet say the same of a key, or one of them only: else one would be no more than a name."""
    for together in {case.condition: case.conditions for case in cases}.values():
        for one, other in combinations(together, 2):
            theirs = dict(leaves(other.values))
            for key, value in leaves(one.values):
                if theirs.get(key, value) != value:
                    what = f"{one.name!r} and {other.name!r} both set {'.'.join(key)}, and they meet"
                    path: KeyPath = ("condition", conditions.index(other), *key)
                    raise whole.error(path, what, hint="an axis has keys of its own")


def _name(arm: Case) -> str:
    return arm.variant.name if arm.variant else arm.scheme.name if arm.scheme else ""


def _choices(whole: Document, kind: str, variants: Sequence[str]) -> list[Choice]:
    names = _names(whole, kind)
    choices: list[Choice] = []
    axes_of = [_axis(whole, index) if kind == "condition" else "" for index in range(len(names))]
    if "" in axes_of and any(axes_of):
        path = (kind, axes_of.index(""))
        raise missing(whole, path, "axis", place="[[condition]]", hint="other conditions have one")
    for index, name in enumerate(names):
        if label_of(name) in (choice.label for choice in choices):
            raise whole.error((kind, index, "name"), f"{kind} {name!r}: another one has the same name in an id")
        table = table_of(whole, kind, index)
        values = {key: value for key, value in table.data.items() if key not in OWN_KEYS[kind]}
        for key in values:
            if key in NOT_SWEPT:
                raise whole.error((kind, index, key), f"a {kind} cannot change {key!r}")
        without = table.data.get("without", []) if kind == "condition" else []
        others = [other for other, axis in zip(names, axes_of, strict=True) if axis != axes_of[index]]
        left_out = _without(whole, index, without, variants, others)
        choices.append(Choice(name, values, table, axes_of[index], left_out))
    return choices


def _axis(whole: Document, index: int) -> str:
    path = ("condition", index, "axis")
    found = whole.value(path)
    if found is None:
        return ""
    if not isinstance(found, str) or not label_of(found) or len(found) > LONGEST_NAME or plain(found) != found:
        raise whole.error(path, f"axis must be a text with letters or digits, of {LONGEST_NAME} characters at most")
    return found


def _names(whole: Document, kind: str) -> list[str]:
    entries = whole.data.get(kind, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise whole.error((kind,), f"{kind} must be tables, each under a [[{kind}]]")
    names = []
    for index in range(len(entries)):
        name = whole.value((kind, index, "name"))
        if name is None:
            raise missing(whole, (kind, index), "name", place=f"[[{kind}]]")
        if not isinstance(name, str) or not label_of(name):
            raise whole.error((kind, index, "name"), f"the name of a {kind} must be a text with letters or digits")
        if len(name) > LONGEST_NAME or plain(name) != name:
            what = f"the name of a {kind} is one line of {LONGEST_NAME} characters at most"
            raise whole.error((kind, index, "name"), what)
        names.append(name)
    return names


def _without(
    whole: Document, index: int, without: object, variants: Sequence[str], conditions: Sequence[str]
) -> frozenset[str]:
    path = ("condition", index, "without")
    if not isinstance(without, list):
        raise whole.error(path, "without must be a list of variants' names")
    for place, name in enumerate(without):
        if name not in variants and name not in conditions:
            hint = did_you_mean(str(name), variants, "the variants are") if variants else "there is no [[variant]]"
            if conditions:
                hint = did_you_mean(str(name), [*variants, *conditions], "there are")
            raise whole.error((*path, place), f"without: no variant {name!r}", hint=hint)
    return frozenset(without)
