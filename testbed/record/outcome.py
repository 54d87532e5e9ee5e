"""How the run of a point ended: `outcome.json`, which the scheduler writes when the lab has nothing more to say."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from testbed.record import model
from testbed.record.model import Count, Record, Seconds, Text, Texts

FILE = "outcome.json"


class Outcome(Record):
    """How it ended; `error` says why it failed, in one line.

    `wall_s` are seconds of this machine, `virtual_s` of the lab's clock; None where they are unknown.
    `kernel_warnings` are lines of the lab's kernel. `lab` is its name; `userspace_mode` says how a uml lab ran its
    processes, where its console tells. `files` are what the point's directory held when the point was finished, by the
    paths in it. Older toolkits noted none of these three. `shared_boot` is its place among the points that one boot has
    served, from 1; 0 with a boot of its own. `machine` is who of a lab's machines ran it, `repeated_by` who has run it
    again and come to the same bytes.
    """

    status: Literal["ok", "failed"]
    error: Text = ""
    wall_s: Seconds | None = None
    virtual_s: Seconds | None = None
    kernel_warnings: Texts = ()
    lab: Text = ""
    userspace_mode: Text = ""
    files: Texts = ()
    shared_boot: Count = 0
    machine: Text = ""
    repeated_by: Text = ""

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status == "ok"


def read_outcome(directory: Path) -> Outcome:
    """How the point ended; raises AnalysisError."""
    return model.read(Outcome, directory / FILE)
