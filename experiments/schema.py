"""What an experiment's file may say: the tables that every experiment has, and those of its parts.

A file gives every rate, size, duration and share as a text with a unit; the models hold plain
numbers in bit/s, bytes, seconds and shares of 1, and their names say so. The names in the file
are the aliases. Models are strict and refuse unknown keys; `experiments.validation` turns their
complaints into one line with `file:line`. The fields' descriptions are the documentation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from experiments.sweep import Sweep
from experiments.timetables.base import Timetable
from experiments.values import (
    MAX_FIGURE,
    MAX_OCCURRENCE,
    MAX_TITLE,
    Clocks,
    DroppedPacket,
    Name,
    Protocols,
    Schemes,
    Sysctls,
    TraceBuffer,
    TraceGroups,
)
from experiments.workloads.base import Workload
from testbed.base.parts import KINDS, Part, summary
from testbed.base.quantities import Text
from testbed.base.table import Table
from testbed.directors.base import Director
from testbed.net.mptcp_settings import Mptcp
from testbed.protection.base import Protection
from topologies.base import Topology

VERSION = 2


class Drop(Table):
    """The loss of one packet per MPTCP connection."""

    packet: DroppedPacket = Field(description="Which kind of packet is lost.")
    occurrence: Annotated[int, Field(ge=1, le=MAX_OCCURRENCE)] = Field(
        default=1, description="The how many-th of its kind is lost in each connection, from 1."
    )


class Trace(Table):
    """What is recorded beside the captures, for the question why; nothing unless it is asked for."""

    events: TraceGroups = Field(
        default=(),
        description="Events of the kernel: `resets` (each RST that it sends, with its own reason), `retransmissions`, "
        "`probes` (congestion window and smoothed round trip at each packet that comes), `mptcp` (the scheduler's "
        "decisions, mappings, acknowledgements of data). They are read when the workload is over, and no packet is "
        "another one for it.",
    )
    buffer_bytes: TraceBuffer = Field(
        default=64_000_000,
        alias="buffer",
        description="What the kernel keeps of events until then: one has 50 to 200 B. A point whose events did not fit "
        "is invalid.",
    )
    servers: bool = Field(
        default=False,
        description="Whether all packets are captured at the servers, too: one-way delays. By default it is SYNs and "
        "RSTs, where there are several servers.",
    )


class Capture(Table):
    """What is kept of the packets."""

    keep: Literal["headers", "all", "tables"] = Field(
        default="headers",
        description="`headers`: 128 bytes of every packet. `all`: whole packets. `tables`: headers until a run has "
        "ended, then of valid points the tables alone, a small part of it.",
    )


class Settings(Table):
    """What every experiment says, whatever its parts."""

    version: Literal[2] = Field(description="The version of the format.")
    name: Name = Field(description="The experiment's name, with which the ids of its points begin.")
    figure: Annotated[Text, Field(max_length=MAX_FIGURE)] = Field(
        default="", description="The number of the paper's figure; empty for an experiment of your own."
    )
    title: Annotated[Text, Field(min_length=1, max_length=MAX_TITLE)] = Field(
        description="What the experiment shows, in one line."
    )
    plot: Annotated[Text, Field(max_length=MAX_TITLE)] = Field(
        default="", description="The figure that is drawn of it; by default that of its workload."
    )
    protocols: Protocols = Field(description="A point for each.")
    schemes: Schemes = Field(
        default=(),
        description="The schemes that MPTCP is measured with, a point for each: the first one by itself, or those that "
        "`--scheme` names. Without any there is one point, with the settings of `[mptcp]` as they stand.",
    )
    clocks: Clocks = Field(default=("virtual",), description="A point for each that the lab has.")
    topology: Topology
    director: Director
    workload: Workload
    timetable: Timetable
    protection: Protection
    mptcp: Mptcp = Field(default=Mptcp(), description="How server and client use MPTCP.")
    drop: Drop | None = Field(default=None, description="The loss of one packet per MPTCP connection.")
    director_statistics: bool = Field(
        default=False,
        description="Whether what passes the director is recorded there as well: captures at its links, counters of "
        "its interfaces, the balancer's own statistics, and once a second how many connections it keeps an entry of.",
    )
    sweep: Sweep | None = Field(
        default=None, description="Values of any settings: a point for each combination of them."
    )
    capture: Capture | None = Field(default=None, description="What is kept of the packets; by default their headers.")
    trace: Trace | None = Field(default=None, description="What is recorded beside the captures, for the question why.")
    sysctl: Sysctls = Field(
        default={}, description="Further sysctls of client and servers, and tables of those of one role."
    )


@lru_cache(maxsize=256)
def model_of(*parts: type[Part]) -> type[Settings]:
    """The model of an experiment's file with parts of these classes, one of each kind."""
    tables: dict[str, Any] = {
        kind: (part, Field(description=summary(part))) for kind, part in zip(KINDS, parts, strict=True)
    }
    return create_model("Experiment", __base__=Settings, **tables)
