"""Fields of the JSON in a raw directory: of the type that they must have, and within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from testbed.base.errors import AnalysisError
from testbed.record import reading

_T = TypeVar("_T", int, float, str, "dict[str, Any]", "list[Any]")

# Seconds whose nanoseconds still have 63 bits; seeds have 64.
_LARGEST = {"t": 1e9, "epoch_s": 9e9, "seed": 1 << 64}
_ANY = 1e15


def load(path: Path, kind: type[_T]) -> tuple[_T, str]:
    """What a file of JSON says, an object or a list, and the name that errors call it; raises AnalysisError."""
    value = reading.parse(reading.read_text(path, path.name), path.name)
    if not isinstance(value, kind):
        raise AnalysisError(f"{path.name}: not a JSON {'object' if kind is dict else 'list'}")
    return value, path.name


def get(raw: Mapping[str, object], key: str, kind: type[_T], name: str) -> _T:
    """A field of the given type; raises AnalysisError, naming the file `name`."""
    value = raw.get(key)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        what = "missing" if key not in raw else f"{reading.shown(value)}, not of type {kind.__name__}"
        raise AnalysisError(f"{name}: {key!r} is {what}")
    if isinstance(value, float) and not math.isfinite(value):
        raise AnalysisError(f"{name}: {key!r} is not a finite number")
    if isinstance(value, int | float) and abs(value) > _LARGEST.get(key, _ANY):
        raise AnalysisError(f"{name}: {key!r} is {reading.shown(value)}, which is beyond all bounds")
    return value
