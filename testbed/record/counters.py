"""What the lab's kernels counted: `counters.json` (around the workload) and `samples.jsonl` (once a second)."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from pydantic import Field

from testbed.record import model, reading
from testbed.record.model import Counter, Moment, Record

FILE = "counters.json"
SAMPLES = "samples.jsonl"

Nodes: TypeAlias = dict[str, dict[str, Counter]]
"""Counters by node and by nstat's name; one that is not there is 0."""


class Counters(Record):
    """The counters `before` the workload, `after` it, and a while later, when what its end set off is over (`settled`).

    That last reading was taken from one moment to another (`settled_s`). `queue_drops` are the packets that the queues
    of each node dropped meanwhile, by interface. None: older toolkits did not record it.
    """

    before: Nodes
    after: Nodes
    settled: Nodes | None = None
    settled_s: tuple[Moment, Moment] | None = None
    queue_drops: Nodes | None = None


class Sample(Record):
    """One line of `samples.jsonl`, `t` seconds after the workload's start.

    `interfaces` are the client's, each with its bytes and packets; `counters` those of every node.
    """

    t_s: Moment = Field(alias="t")
    interfaces: Nodes
    counters: Nodes


def read_counters(directory: Path) -> Counters | None:
    """The counters around the workload, None where there are none; raises AnalysisError for a malformed file."""
    path = directory / FILE
    return model.read(Counters, path) if reading.is_there(path) else None


def read_samples(directory: Path) -> list[Sample]:
    """The samples in order of time; raises AnalysisError with the line of a malformed one."""
    path = directory / SAMPLES
    return model.read_lines(Sample, path) if reading.is_there(path) else []
