"""What counted instructions say on the paper's Fig. 6: MPTCP beside TCP where CPUs, and not links, are the limit.

Enters: the counts of `testbed count-instructions`. Leaves: per page size how many instructions MPTCP takes beside TCP,
and a finding for each of the paper's two sentences on Fig. 6.

The counts are those of all machines of the set-up together, and in the paper each was one of its own. The director is
not its limit: it does less than client and servers. So what is compared is what client and servers have to do: of TCP
without the director it is counted; of MPTCP it is all, less what the director does, which is something between nothing
and what it does for TCP. Requests per second go as these do, up to what the wire allows. What an instruction takes
(caches, memory) is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.claims.evidence import size_name
from analysis.claims.load_balancer import EQUAL, SLIGHTLY_SLOWER, SMALL
from analysis.claims.model import Check, Estimate, Finding, conclude
from testbed.base.errors import AnalysisError
from testbed.record.instructions import Instructions, PointCount

EQUAL_FROM = 100_000

_TRIED_PER_S = tuple(1e8 * 1.01**step for step in range(700))  # up to 10^11


@dataclass(frozen=True)
class Comparison:
    """A page size with MPTCP (in one scheme) beside TCP.

    `ratio` is that of the instructions of a request on all machines together, MPTCP / TCP; `speed` that of the requests
    per second, MPTCP / TCP, where the CPUs of client and servers are the limit.
    """

    tcp: PointCount
    mptcp: PointCount
    ratio: Estimate
    speed: Estimate

    def speeds(self, per_s: float) -> tuple[float, float]:
        """Requests per second, MPTCP / TCP, where client and servers execute so many instructions a second together.

        From the least that it can be to the most. Raises AnalysisError where the wire's limit is not known.
        """
        most = _wire_limit(self.mptcp)
        low, high = (min(most, per_s / cost) for cost in reversed(ends_of_mptcp(self.tcp, self.mptcp)))
        tcp = min(_wire_limit(self.tcp), per_s / _ends(self.tcp).median)
        return low / tcp, high / tcp


@dataclass(frozen=True)
class Judged:
    """A sentence of the paper and what the counts of one scheme (`label`) say of it."""

    label: str
    sentence: str
    finding: Finding


def compare(points: Sequence[PointCount]) -> list[Comparison]:
    """Every count of MPTCP beside that of TCP for the same pages; those without one are left out.

    Raises AnalysisError for counts of nothing.
    """
    tcp = {_key(point): point for point in points if point.protocol == "tcp"}
    pairs = ((tcp.get(_key(point)), point) for point in points if point.protocol == "mptcp")
    return [_compared(one, other) for one, other in pairs if one is not None]


def label_of(comparison: Comparison) -> str:
    """What the MPTCP of a comparison is called."""
    point = comparison.mptcp
    return " ".join(word for word in (point.condition, point.variant or "MPTCP") if word)


def judge(comparisons: Sequence[Comparison]) -> list[Judged]:
    """The paper's two sentences on Fig. 6, for each scheme that was counted."""
    found = []
    for label in dict.fromkeys(map(label_of, comparisons)):
        mine = [each for each in comparisons if label_of(each) == label]
        small = [each for each in mine if each.mptcp.object_bytes in SMALL]
        large = [each for each in mine if each.mptcp.object_bytes >= EQUAL_FROM]
        slower = "Where CPUs are the limit, MPTCP serves slightly fewer pages of 10 and 50 KB a second than TCP."
        equal = "Where CPUs are the limit, MPTCP and TCP are equally fast from 100 KB on."
        found += [
            Judged(label, slower, conclude(list(_checks(small, SLIGHTLY_SLOWER)))),
            Judged(label, equal, conclude(list(_checks(large, EQUAL)))),
        ]
    return found


def speeds_of_the_figure(comparisons: Sequence[Comparison]) -> tuple[float, float] | None:
    """With how many instructions a second at client and servers together both sentences hold: from, to.

    Both as they are meant: MPTCP is limited by CPUs for one of the small pages at least. None if with none that was
    tried, or if pages are missing on either side of 100 KB.
    """
    small = [each for each in comparisons if each.mptcp.object_bytes in SMALL]
    large = [each for each in comparisons if each.mptcp.object_bytes >= EQUAL_FROM]
    if not small or not large:
        return None
    wanted = [*((each, SLIGHTLY_SLOWER) for each in small), *((each, EQUAL) for each in large)]

    def holds(per_s: float) -> bool:
        by_cpu = (per_s < ends_of_mptcp(each.tcp, each.mptcp)[1] * _wire_limit(each.mptcp) for each in small)
        return any(by_cpu) and all(
            low <= min(each.speeds(per_s)) and max(each.speeds(per_s)) <= high for each, (low, high) in wanted
        )

    kept = [per_s for per_s in _TRIED_PER_S if holds(per_s)]
    return (kept[0], kept[-1]) if kept else None


def ends_of_mptcp(tcp: PointCount, mptcp: PointCount) -> tuple[float, float]:
    """Instructions of a request over MPTCP at client and servers: the least that it can be, and the most."""
    director = max(tcp.cost.median - _ends(tcp).median, 0.0)
    return mptcp.cost.median - min(director, mptcp.cost.median / 2), mptcp.cost.median


def _ends(tcp: PointCount) -> Instructions:
    if tcp.past_director is None:
        raise AnalysisError(f"{tcp.id}: it was not counted without the director")
    return tcp.past_director


def _wire_limit(point: PointCount) -> float:
    """Requests per second that the wire allows."""
    if not point.wire_limit_bps or not point.object_bytes:
        raise AnalysisError(f"{point.id}: the limit of the wire is not known")
    return point.wire_limit_bps / 8 / point.object_bytes


def _checks(comparisons: Sequence[Comparison], bounds: tuple[float, float]) -> Iterator[Check]:
    low, high = bounds
    bound = f"{low:g} to {high:g}"
    for each in comparisons:
        label, speed = size_name(each.mptcp.object_bytes), each.speed
        if low <= speed.low and speed.high <= high:
            yield Check(label, speed, bound, True)
        elif speed.high < low or speed.low > high:
            yield Check(label, speed, bound, False)
        else:
            yield Check(label, speed, bound, None, f"it cannot be told: {speed}, bound {bound}")


def _compared(tcp: PointCount, mptcp: PointCount) -> Comparison:
    ends = _ends(tcp)
    if min((*tcp.cost.all, *mptcp.cost.all, *ends.all), default=0) <= 0:
        raise AnalysisError(f"{mptcp.id}: nothing was counted of it, or of TCP for these pages")
    repeats = f"{len(mptcp.cost.all)} repeats" if len(mptcp.cost.all) > 1 else "one repeat"
    lowest, highest = min(mptcp.cost.all), max(mptcp.cost.all)
    ratio = Estimate(
        value=mptcp.cost.median / tcp.cost.median,
        low=lowest / max(tcp.cost.all),
        high=highest / min(tcp.cost.all),
        unit="",
        basis=repeats,
    )
    low, high = (ends.median / cost for cost in reversed(ends_of_mptcp(tcp, mptcp)))
    speed = Estimate(
        value=(low + high) / 2,
        low=low * min(ends.all) / ends.median * mptcp.cost.median / highest,
        high=high * max(ends.all) / ends.median * mptcp.cost.median / lowest,
        unit="",
        basis=repeats,
    )
    return Comparison(tcp=tcp, mptcp=mptcp, ratio=ratio, speed=speed)


def _key(point: PointCount) -> tuple[str, str, int]:
    return point.experiment, point.condition, point.object_bytes
