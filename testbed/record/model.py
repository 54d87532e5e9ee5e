"""What the models of a run's files have in common: bounds, the text that a writer leaves, what a reader says is wrong.

A file is modelled once, by a `Record`: its writer makes one and writes the record's text; its readers make the same
record of that text. Writers here are our own; a text may come from anybody.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError
from pydantic_core import PydanticCustomError

from testbed.base.errors import AnalysisError
from testbed.record import reading

MOST_BYTES = 1 << 24
"""What a file of one record may have (16 MB), and so a line of many: the real ones have some kilobytes."""

_MOST = 10**15
_MOST_KEY = 60

Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0, le=_MOST)]
"""How many bytes, packets, connections: nothing here comes near the bound."""

Integer = Annotated[int, Strict(), Field(ge=-_MOST, le=_MOST)]
"""A program's status (negative: the signal that ended it), the difference of two counts."""

Counter = Annotated[int, Strict(), Field(ge=-(1 << 63), lt=1 << 63)]
"""A number of the kernel's, of 64 bits."""

Quantity = Annotated[float, Strict(), Field(ge=-_MOST, le=_MOST)]
"""Bits a second, shares, seconds; the same holds for them."""

Seconds = Quantity
Seed = Annotated[int, Strict(), Field(ge=0, lt=1 << 64)]
Moment = Annotated[float, Strict(), Field(ge=-1e9, le=1e9)]
"""Seconds since the workload's start; their nanoseconds still have 63 bits."""

EpochSeconds = Annotated[float, Strict(), Field(ge=-9e9, le=9e9)]
"""Seconds since 1970; the same holds for them."""


def _escaped(value: object) -> object:
    """A name that is no UTF-8 is escaped: a record is text."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _only_texts(value: object) -> object:
    # By itself pydantic would list each that is none, however many a stranger has put there.
    for each in value if isinstance(value, list | tuple) else ():
        if not isinstance(each, str):
            raise PydanticCustomError("text", "{value} in it is no text", {"value": reading.shown(each)})
    return tuple(map(_escaped, value)) if isinstance(value, list | tuple) else value


def _file_name(text: str) -> str:
    name = Path(text).name
    if not name or not name.isprintable():
        raise PydanticCustomError("file", "names no file")
    return name


Text = Annotated[str, BeforeValidator(_escaped)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_only_texts)]
FileName = Annotated[str, AfterValidator(_file_name)]
"""The name of a file beside the record; whatever it says, it leads nowhere else."""


CONFIG = ConfigDict(extra="ignore", allow_inf_nan=False)
"""Of every part of a record: a key of a newer toolkit is passed over, and a number is one."""


class Record(BaseModel):
    """A file of a run directory, or a line or an entry of one."""

    model_config = ConfigDict(**CONFIG, frozen=True)

    def fields(self) -> dict[str, Any]:
        """What its maker has said, as JSON has it, in the order of the model."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def line(self) -> str:
        """The text of a line of a file of many."""
        return json.dumps(self.fields()) + "\n"


_R = TypeVar("_R", bound=Record)


def read(kind: type[_R], path: Path) -> _R:
    """The record that is a file; raises AnalysisError, naming the file and the key."""
    return parse(kind, _load(path), path.name)


def read_list(kind: type[_R], path: Path) -> tuple[_R, ...]:
    """The records of a file that is a list of them; raises AnalysisError, naming the file and the key."""
    entries = _load(path)
    if not isinstance(entries, list):
        raise AnalysisError(f"{path.name}: not a JSON list")
    return tuple(parse(kind, entry, path.name) for entry in entries)


def read_lines(kind: type[_R], path: Path) -> list[_R]:
    """The records of a file that has one a line; raises AnalysisError, naming the file, the line and the key."""
    return [parse(kind, entry, name) for name, entry in reading.read_lines(path, MOST_BYTES)]


def parse(kind: type[_R], value: object, name: str) -> _R:
    """The record in a JSON value; raises AnalysisError, which calls it `name`."""
    if not isinstance(value, dict):
        raise AnalysisError(f"{name}: not a JSON object")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise AnalysisError(f"{name}: {problem(error)}") from error


def problem(error: ValidationError) -> str:
    """The first thing that is wrong, in a few words: `'seed' is 'one', not of type int`."""
    first = error.errors(include_url=False)[0]
    parts = (str(part) for part in first["loc"])
    key = repr(".".join(part if len(part) <= _MOST_KEY else f"{part[:_MOST_KEY]}..." for part in parts))
    value, kind = reading.shown(first["input"]), first["type"]
    if kind == "missing":
        return f"{key} is missing"
    if kind.startswith(("greater_than", "less_than")):
        return f"{key} is {value}, which is beyond all bounds"
    if kind in _TYPES or kind.endswith("_type"):
        return f"{key} is {value}, not of type {_TYPES.get(kind) or kind.removesuffix('_type')}"
    return f"{key} is {value}: {first['msg']}"


_TYPES = {"string_type": "str", "int_from_float": "int", "model_type": "dict", "tuple_type": "list"}


def _load(path: Path) -> Any:
    return reading.parse(reading.read_text(path, path.name, most=MOST_BYTES), path.name)
