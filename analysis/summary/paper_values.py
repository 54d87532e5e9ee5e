"""The values that the paper prints: what its claims are held against, and marks in the axes of its figures.

Duchene and Bonaventure, ICNP 2017, section V. What the paper only draws is not among them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperValue:
    """A goodput in Mbit/s of a protocol in one of the paper's figures, and of which object sizes it is said."""

    figure: str
    protocol: str
    mbps: float
    from_bytes: int = 0
    to_bytes: int = 10**15

    def is_of(self, object_bytes: int) -> bool:
        """Whether it is said of objects of this size."""
        return self.from_bytes <= object_bytes <= self.to_bytes


_LARGEST = 10_000_000

FIG07_MPTCP = PaperValue("7", "mptcp", 942.0, from_bytes=500_000)
FIG11_MPTCP = PaperValue("11", "mptcp", 803.0, from_bytes=_LARGEST, to_bytes=_LARGEST)
FIG11_TCP = PaperValue("11", "tcp", 16.0, from_bytes=_LARGEST, to_bytes=_LARGEST)
FIG13_ALL_SERVERS = PaperValue("13", "tcp", 2800.0)
FIG13_ONE_SERVER_OUT = PaperValue("13", "tcp", 1900.0)
FIG14_MPTCP = PaperValue("14", "mptcp", 2800.0)

VALUES = (FIG07_MPTCP, FIG11_MPTCP, FIG11_TCP, FIG13_ALL_SERVERS, FIG13_ONE_SERVER_OUT, FIG14_MPTCP)


def of_figure(figure: str) -> list[PaperValue]:
    """What the paper prints of the figure with this number."""
    return [value for value in VALUES if figure and value.figure == figure]
