"""What a point's injector of packet losses has done: `loss_injection.json`."""

from __future__ import annotations

from pathlib import Path

from testbed.record import model
from testbed.record.model import Count, Record, Texts

FILE = "loss_injection.json"


class InjectedLosses(Record):
    """The `occurrence`-th (from 1) `packet` of every connection was to be dropped, at these interfaces.

    Seen were so many `connections` and `packets` of that kind; `dropped` of these were.
    """

    packet: str
    occurrence: Count
    interfaces: Texts
    connections: Count
    packets: Count
    dropped: Count


def read_injected_losses(directory: Path) -> InjectedLosses:
    """What the injector has done; raises AnalysisError."""
    return model.read(InjectedLosses, directory / FILE)
