"""Parts: what an experiment is made of, each of them one module that somebody can add.

A part is a class with its table of the experiment's file: its fields are the table's keys, its methods are what its
kind asks of it. Kinds have a registry each (`testbed.base.registry`). A part knows nothing of the others, and nobody
else names one: what the analysis must know of a part stands in the point's traits.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from testbed.base.needs import Need
from testbed.base.table import Table, flat

KINDS = ("topology", "director", "workload", "timetable", "protection")
"""The kinds of parts that every experiment has, in the order in which they are put together."""

UNSAID = {"timetable": "none", "protection": "none"}
"""The parts of an experiment that names none of that kind."""

NAMED_BY = {"protection": "unique_address"}
"""The key that can say in a kind's table which part it is, in place of `part`: what it is a table about."""


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a table as a whole: `key` is the table's key to blame, and `hint` says what would do."""

    key: str
    what: str
    hint: str = ""


class Part(Table):
    """A part of an experiment, with its table in the file."""

    needs: ClassVar[frozenset[Need]] = frozenset()
    """All that it can need of a kernel and a machine, whatever its table says: set-up and doctor see to it."""

    part: str = Field(default="", description="The part: the name of one of ours, or your own file (`mine.py`).")

    def features(self) -> frozenset[Need]:
        """What it needs with the table that it has: all of `needs`, if not said."""
        return self.needs

    def parameters(self) -> dict[str, Any]:
        """Its numbers for tables and searches, each with its unit in its name."""
        return {name: value for name, value in flat(self.plain()).items() if name != "part"}


def summary(part: type[Part]) -> str:
    """What a part is, in one line: the first sentence of its class's documentation."""
    text = inspect.cleandoc(part.__doc__ or "").split("\n\n")[0]
    return " ".join(text.split())


def missing(part: type[Part]) -> Iterator[str]:
    """The methods that its kind asks for and it does not have."""
    yield from sorted(getattr(part, "__abstractmethods__", ()))
