"""Instructions that page loads take: what a machine that counts has been asked, and what was counted there.

A file of `testbed count-instructions` has the counts of points (`Counts`). Inside the machine `counting.json` says what
to do, and `windows.json` what ran between its marks.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any, Literal

from testbed.record import model
from testbed.record.model import Count, Quantity, Record, Text

REQUEST = "counting.json"
WINDOWS = "windows.json"


class Load(Record):
    """Page loads to be counted: those of the point with this id, so many requests.

    With `past_director` they go to the first server's unique address.
    """

    point: Text
    requests: Count
    past_director: bool = False


class SetUp(Record):
    """A set-up for points that differ in the pages' size alone, and the loads in it one by one."""

    points: tuple[dict[str, Any], ...]
    loads: tuple[Load, ...]


class Request(Record):
    """What a machine that counts is to do: one set-up after the other."""

    set_ups: tuple[SetUp, ...]


class Window(Record):
    """What ran between two marks: a load, and how long it took on the machine's clock.

    `connections` and `joins` are those of MPTCP that the client's kernel has counted.
    """

    load: Load
    clock_s: Quantity
    connections: Count = 0
    joins: Count = 0


class Instructions(Record):
    """Instructions of a request on all machines of the set-up, of programs and of the kernels, repeat by repeat."""

    programs: tuple[Quantity, ...]
    kernel: tuple[Quantity, ...]

    @property
    def all(self) -> tuple[float, ...]:
        """Both, repeat by repeat."""
        return tuple(one + other for one, other in zip(self.programs, self.kernel, strict=True))

    @property
    def median(self) -> float:
        """The median of both."""
        return median(self.all)


class PointCount(Record):
    """What a point's page loads took: `requests` were counted in each repeat, beside those that the start costs.

    `past_director` is the same for the same pages, from a server's unique address over TCP: what is left without the
    director's work. `joins` is the share of the MPTCP connections that had a second subflow.
    """

    id: Text
    experiment: Text
    condition: Text = ""
    protocol: Literal["tcp", "mptcp"]
    scheme: Text = ""
    variant: Text = ""
    object_bytes: Count
    wire_limit_bps: Quantity | None = None
    requests: Count
    joins: Quantity | None = None
    cost: Instructions
    past_director: Instructions | None = None


class Counts(Record):
    """What was counted, under which kernel, QEMU and toolkit."""

    toolkit: Text
    qemu: Text
    kernel: dict[str, Any]
    points: tuple[PointCount, ...]


def read_counts(path: Path) -> Counts:
    """The counts in a file; raises AnalysisError."""
    return model.read(Counts, path)
