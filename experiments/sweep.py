"""`[sweep]` of an experiment: values of any settings, all of them with one another, or a Latin hypercube of them.

An axis is a setting, at its place below `[sweep.axes]`, with a list of values or a range (`{ from = "1 ms", to =
"1000 ms", steps = 4, scale = "log" }`). Without `samples` each value meets each of the other axes; with it, so many
combinations are drawn such that each axis is covered evenly, however many axes there are (McKay, Beckman and Conover
1979).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from experiments.document import Document, Origin, leaves
from experiments.ranges import Range, is_range, range_at
from experiments.toml_source import KeyPath
from experiments.values import IDENTITY
from testbed import extras
from testbed.base.table import Table
from testbed.base.units import parse_any

TABLE, AXES = "sweep", "axes"
NOT_SWEPT = (*IDENTITY, "profile", "variant", "condition", "scheme", TABLE)

MOST_SAMPLES = 10_000
_LONGEST_LABEL = 80

_AXES_SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "description": "The settings that are swept, each at its place, with a list of values or a range.",
}


class Sweep(Table):
    """Values of any settings, each with each other, or drawn as a Latin hypercube."""

    axes: Annotated[dict[str, Any], WithJsonSchema(_AXES_SCHEMA)] = Field(
        description="The settings that are swept, each at its place (`topology.client_director.delay`), with a list of "
        'values or a range: `{ from = "1 ms", to = "1000 ms", steps = 4, scale = "log" }`.'
    )
    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] | None = Field(
        default=None,
        description="So many combinations are drawn, a Latin hypercube: for many axes. Without it every value of an "
        "axis meets every one of the others.",
    )
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = Field(
        default=1, description="Of the Latin hypercube: the same seed draws the same combinations."
    )


@dataclass(frozen=True)
class Sample:
    """One combination: the swept settings by their paths, and what it adds to a point's id."""

    values: tuple[tuple[tuple[str, ...], object], ...]
    label: str
    origins: Mapping[KeyPath, Origin]
    document: Document

    def applied_to(self, document: Document) -> Document:
        """The document, overridden."""
        nested: dict[str, Any] = {}
        for path, value in self.values:
            table = nested
            for key in path[:-1]:
                table = table.setdefault(key, {})
            table[path[-1]] = value
        return document.overridden(nested, Document(self.document.path, nested, self.origins))

    def sets(self, table: str) -> bool:
        """Whether it has a value for a setting of this table."""
        return any(path[0] == table for path, _ in self.values)

    def plain(self) -> dict[str, Any]:
        """The values by their dotted keys, for a point's record."""
        return {".".join(path): value for path, value in self.values}


def samples(document: Document, sweep: Sweep) -> list[Sample]:
    """The combinations of a document's sweep, in order; raises ConfigError with `file:line`, or UsageError."""
    axes = dict(_axes(document, sweep.axes))
    if not axes:
        raise document.error((TABLE, AXES), "sweep.axes: no setting is swept")
    origins: dict[KeyPath, Origin] = {path: document.origin((TABLE, AXES, *path)) for path in _with_tables(axes)}
    if sweep.samples:
        rows = _hypercube(axes, sweep.samples, sweep.seed)
        names = [f"s{number:0{len(str(sweep.samples))}}" for number in range(1, sweep.samples + 1)]
    else:
        listed = [_values(document, path, axis) for path, axis in axes.items()]
        if (count := math.prod(map(len, listed))) > MOST_SAMPLES:
            what = f"sweep: {count} combinations are more than {MOST_SAMPLES}"
            raise document.error((TABLE, AXES), what, hint="fewer values, or a Latin hypercube: samples = 100")
        rows = list(product(*listed))
        names = _labels(list(axes), rows)
    return [
        Sample(tuple(zip(axes, row, strict=True)), name, origins, document)
        for row, name in zip(rows, names, strict=True)
    ]


def swept_paths(sweep: Sweep) -> list[tuple[str, ...]]:
    """The paths of the settings that are swept."""
    return [path for path, _ in leaves(sweep.axes, is_value=is_range)]


def _axes(document: Document, table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], list[object] | Range]]:
    for path, value in leaves(table, is_value=is_range):
        place, key = (TABLE, AXES, *path), ".".join(path)
        if path[0] in NOT_SWEPT:
            raise document.error(place, f"sweep.axes: {path[0]!r} cannot be swept")
        if isinstance(value, Mapping):
            yield path, range_at(document, place, key, value)
        elif isinstance(value, list) and value:
            if len({_same(each) for each in value}) != len(value):
                raise document.error(place, f"sweep.axes: {key}: the same value stands in the list twice")
            yield path, value
        else:
            hint = f'{key} = ["a", "b"], or {{ from = 1, to = 100, steps = 5, scale = "log" }}'
            raise document.error(place, f"sweep.axes: {key}: neither a list of values nor a range", hint=hint)


def _same(value: object) -> str:
    """A text that two values have in common if they mean the same: `1 s` and `1000 ms`."""
    return json.dumps((isinstance(value, str) and parse_any(value)) or value, default=str)


def _values(document: Document, path: tuple[str, ...], axis: Sequence[object] | Range) -> Sequence[object]:
    if not isinstance(axis, Range):
        return axis
    if axis.steps is None:
        place = (TABLE, AXES, *path)
        raise document.error(
            place, f"sweep.axes: {'.'.join(path)}: how many steps?", hint="steps = 5, or samples = 100"
        )
    values = [axis.at(number / (axis.steps - 1)) for number in range(axis.steps)]
    if len(set(values)) != len(values):
        what = f"sweep.axes: {'.'.join(path)}: {axis.steps} steps are more than there are values"
        raise document.error((TABLE, AXES, *path), what)
    return values


def _hypercube(axes: Mapping[tuple[str, ...], list[object] | Range], count: int, seed: int) -> list[tuple[object, ...]]:
    with extras.explained("a Latin hypercube (sweep.samples)"):
        from scipy.stats import qmc
    drawn = qmc.LatinHypercube(len(axes), rng=seed).random(count).tolist()

    def value(axis: list[object] | Range, share: float) -> object:
        return axis.at(share) if isinstance(axis, Range) else axis[int(share * len(axis))]

    return [tuple(value(axis, share) for axis, share in zip(axes.values(), row, strict=True)) for row in drawn]


def _with_tables(paths: Mapping[tuple[str, ...], object]) -> set[tuple[str, ...]]:
    return {path[:end] for path in paths for end in range(1, len(path) + 1)}


def _labels(paths: Sequence[tuple[str, ...]], rows: Sequence[tuple[object, ...]]) -> list[str]:
    """What combinations add to an id: `delay-10-ms-concurrency-20`; a number where that is too long, or not unique."""
    lasts = [path[-1] for path in paths]
    keys = [path[-1] if lasts.count(path[-1]) == 1 else "-".join(path[-2:]) for path in paths]
    names = ["-".join(_label(f"{key} {value}") for key, value in zip(keys, row, strict=True)) for row in rows]
    if len(set(names)) == len(names) and max(map(len, names)) <= _LONGEST_LABEL:
        return names
    return [f"s{number:0{len(str(len(rows)))}}" for number in range(1, len(rows) + 1)]


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")
