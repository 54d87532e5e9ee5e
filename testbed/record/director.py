"""What passes a director and what it keeps, for points that ask for it (`director_statistics`).

`director.json` is read around the workload, `director_samples.jsonl` once a second; `director_captures.json` lists the
captures at its links that lead away from the servers, whose interfaces name them.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from testbed.record import model, reading
from testbed.record.captures import CaptureFile, require_once
from testbed.record.counters import Nodes
from testbed.record.model import Counter, Moment, Record, Text

FILE = "director.json"
SAMPLES = "director_samples.jsonl"
CAPTURES = "director_captures.json"


class Passed(Record):
    """So many bytes in so many packets, as the kernel has them: a burst of segments is one. Bytes begin with IP."""

    bytes: Counter
    packets: Counter


class Balanced(Record):
    """What a balancer itself has counted of the service, in each direction; None where it does not count."""

    to_servers: Passed | None = None
    to_clients: Passed | None = None


class OfServer(Record):
    """What a balancer has counted of one server since it serves: connections that it was given, bytes, packets."""

    connections: Counter
    to_server: Passed
    to_clients: Passed


class Reading(Record):
    """All counts of one director: of its interfaces (link-layer headers included), and of the balancer in it.

    `dropped` are the packets that the queues of its interfaces have dropped, which the balancer had forwarded, and
    which are in no capture, `resets` the RSTs that the node has sent by itself. `entries` are the connections that it
    keeps one of, as in `StateSample`.
    """

    interfaces: Nodes
    balancer: Balanced
    dropped: dict[Text, Counter] = Field(default_factory=dict)
    resets: Counter = 0
    entries: Counter | None = None


class DirectorStatistics(Record):
    """Readings `before` the workload and when what its end set off is over (`after`), by director.

    The second one was taken from one moment to another (`after_s`). `passed_on` is what servers have passed on to each
    other until then, where they do so; `servers`, by director, what its balancer has counted of each server that is in
    the pool at the end, what came before the workload included. `neighbours` are, by director and interface, the nodes
    at the other end.
    """

    neighbours: dict[Text, dict[Text, Text]]
    before: dict[Text, Reading]
    after: dict[Text, Reading]
    after_s: tuple[Moment, Moment]
    passed_on: dict[Text, Passed] = Field(default_factory=dict)
    servers: dict[Text, dict[Text, OfServer]] = Field(default_factory=dict)


class StateSample(Record):
    """One line of `director_samples.jsonl`, `t` seconds after the workload's start: the connections that each director
    keeps an entry of, 0 for one that keeps none; None: it does not tell.

    `shares` are, of each director that has such, the buckets of its hash that each server has.
    """

    t_s: Moment = Field(alias="t")
    entries: dict[Text, Counter | None]
    shares: dict[Text, dict[Text, Counter]] = Field(default_factory=dict)


class DirectorCapture(CaptureFile):
    """One capture at an `interface` of a director, the `node`."""

    node: str


def read_director_statistics(directory: Path) -> DirectorStatistics | None:
    """The readings, None for a point that has not asked for them; raises AnalysisError for a malformed file."""
    path = directory / FILE
    return model.read(DirectorStatistics, path) if reading.is_there(path) else None


def read_state_samples(directory: Path) -> list[StateSample]:
    """The samples in order of time, none for a point that has not asked; raises AnalysisError with the line."""
    path = directory / SAMPLES
    return model.read_lines(StateSample, path) if reading.is_there(path) else []


def read_director_captures(directory: Path) -> tuple[DirectorCapture, ...]:
    """The list of captures at directors, none for a point that has not asked; raises AnalysisError."""
    path = directory / CAPTURES
    found = model.read_list(DirectorCapture, path) if reading.is_there(path) else ()
    require_once(CAPTURES, "interface", (f"{each.node} {each.interface}" for each in found))
    require_once(CAPTURES, "file", (each.file for each in found))
    return found
