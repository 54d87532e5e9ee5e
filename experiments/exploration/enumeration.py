"""Which cases there are: a fault for every packet of a base line, and pairs of losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from testbed.record.exploration import LEAST_RTO_S, WHATS, Case, Fault, Passage, What


@dataclass(frozen=True)
class Delays:
    """How late packets are: half a round trip, one, two, and a retransmission timeout, in seconds."""

    seconds: tuple[float, ...]

    @classmethod
    def of_round_trip(cls, round_trip_s: float) -> Delays:
        """Those of a base line with this round trip; each in whole nanoseconds, as netem takes them."""
        wanted = (round_trip_s / 2, round_trip_s, 2 * round_trip_s, LEAST_RTO_S + round_trip_s)
        return cls(tuple(dict.fromkeys(round(each, 9) for each in wanted if each >= 1e-9)))


def single_faults(
    passages: Sequence[Passage], delays: Delays, whats: Sequence[What] = WHATS, numbers: range | None = None
) -> list[Case]:
    """Every fault of every packet that passed, or of those with `numbers`.

    The last packet of a place and direction has none behind it that it could let pass.
    """
    followed = {one.number for one in _followed(passages)}
    found = []
    for one in passages:
        if not one.number or (numbers is not None and one.number not in numbers):
            continue
        for what in whats:
            if what == "swapped" and one.number not in followed:
                continue
            for delay_s in delays.seconds if what == "delayed" else (0.0,):
                found.append(case_of([Fault(packet=one.number, what=what, delay_s=delay_s)]))
    return found


def case_of(faults: Sequence[Fault]) -> Case:
    """A case with these faults, named by them: `17-lost`, `3-delayed-200ms+9-lost`."""
    return Case(id="+".join(map(_name, faults)), faults=tuple(faults))


def _name(fault: Fault) -> str:
    late = f"-{fault.delay_s * 1e6:.10g}us" if fault.what == "delayed" else ""
    return f"{fault.packet}-{fault.what}{late}"


def _followed(passages: Sequence[Passage]) -> Iterator[Passage]:
    """The packets that another one follows at the same place in the same direction."""
    later: set[tuple[int, int]] = set()
    for one in reversed(passages):
        if (one.place, one.hook) in later:
            yield one
        if one.number:
            later.add((one.place, one.hook))


def second_losses(first: Case, passages: Sequence[Passage], window: int) -> list[Case]:
    """A case's fault, and the loss of one more of the next `window` packets of what passed with it."""
    (fault,) = first.faults
    last = max((one.number for one in passages), default=0)
    numbers = range(fault.packet + 1, min(fault.packet + window, last) + 1)
    return [case_of([fault, Fault(packet=number, what="lost")]) for number in numbers]
