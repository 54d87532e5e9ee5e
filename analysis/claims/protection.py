"""Claims on unique addresses that strangers know (section VI): the filter refuses them, joins pass, nothing is slower.

The points are those of the experiments `protection` and `protection-goodput`: a cell for each condition. What an
address for each connection does against floods, `analysis.claims.own_addresses` judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from analysis.claims.evidence import goodput_mbps, same, size_name, speaking, wilson
from analysis.claims.model import PAPER, Check, Claim
from analysis.summary.model import PointSummary

EXPERIMENT, GOODPUT = "protection", "protection-goodput"
AXIS = "unique address"
OPEN, FILTER = "none", "joins-only"
REFUSED_KINDS = ("plain", "capable", "malformed-join")
LIVE = "replay"
FEWEST = 1000
_SAME_PERCENT = 1.0

Points = Sequence[PointSummary]
Cells = Mapping[str, Sequence[PointSummary]]


def cells(points: Points, experiment: str, part: str) -> Cells:
    """The valid points of the paper's scheme with such a protection, by their condition."""
    mine = [
        point
        for point in points
        if (point.experiment, point.scheme, point.clock) == (experiment, PAPER, "virtual")
        and point.parts.get("protection") == part
    ]
    found: dict[str, list[PointSummary]] = {}
    for point in speaking(mine, f"{experiment}, protection {part}", {}):
        found.setdefault(point.condition, []).append(point)
    return found


def tallied(members: Points, kind: str) -> tuple[int, int, int]:
    """How many SYNs of a kind were sent, and to how many of them a SYN+ACK, and a RST, came."""
    found = [each for point in members for each in point.syns if each.kind == kind]
    return sum(each.syns for each in found), sum(each.answered for each in found), sum(each.refused for each in found)


def _strangers_are_refused(points: Points) -> list[Check]:
    checks = []
    for condition, members in cells(points, EXPERIMENT, FILTER).items():
        for kind in REFUSED_KINDS:
            syns, answered, _ = tallied(members, kind)
            label, bound = f"{condition}, {kind} SYNs answered", f"0 of {FEWEST} or more"
            if syns < FEWEST:
                checks.append(Check(label, None, bound=bound, holds=None, why=f"{syns} were sent"))
            else:
                checks.append(Check(label, wilson(answered, syns), bound, answered == 0))
    for condition, members in cells(points, EXPERIMENT, OPEN).items():
        syns, answered, _ = tallied(members, "plain")
        if syns:
            checks.append(Check(f"{condition}, plain SYNs answered", wilson(answered, syns), "all", answered == syns))
    return checks


def _joins_pass(points: Points) -> list[Check]:
    checks = []
    for condition, members in cells(points, EXPERIMENT, FILTER).items():
        syns, answered, _ = tallied(members, LIVE)
        joins = [point.joins for point in members if point.joins]
        asked, accepted = sum(each.asked for each in joins), sum(each.kept for each in joins)
        bound = f"all of {FEWEST} or more"
        if asked < FEWEST or not syns:
            why = f"{asked} joins of clients and {syns} repeated ones were sent"
            checks.append(Check(condition, None, bound=bound, holds=None, why=why))
            continue
        label = f"{condition}, clients' joins accepted"
        checks.append(Check(label, wilson(accepted, asked), bound, accepted == asked))
        label = f"{condition}, joins in any order of options, sent twice, answered"
        checks.append(Check(label, wilson(answered, syns), "all", answered == syns))
    return checks


def _same_goodput(points: Points) -> list[Check]:
    without = by_place(cells(points, GOODPUT, OPEN))
    checks = []
    for (place, size_bytes), members in by_place(cells(points, GOODPUT, FILTER)).items():
        others = without.get((place, size_bytes), [])
        checks.append(same(f"{place}, {size_name(size_bytes)}", members, others, goodput_mbps, _SAME_PERCENT))
    return checks


def by_place(found: Cells) -> dict[tuple[str, int], list[PointSummary]]:
    """The points by what else differs between them: the conditions of the other axes, and the object's size."""
    places: dict[tuple[str, int], list[PointSummary]] = {}
    for members in found.values():
        for point in members:
            place = ", ".join(name for axis, name in point.conditions.items() if axis != AXIS)
            places.setdefault((place, point.object_bytes), []).append(point)
    return places


def claim_of(
    name: str, sentence: str, quantity: str, method: str, tolerance: str, check: Callable[[Points], Sequence[Check]]
) -> Claim:
    """A claim on section VI, which is not on how MPTCP is set up."""
    return Claim(
        id=name,
        place="§VI",
        figure="",
        sentence=sentence,
        paper="",
        quantity=quantity,
        unit="%",
        method=method,
        tolerance=tolerance,
        check=check,
        by_scheme=False,
    )


_METHOD = (
    "experiment `protection`: Fig. 7 with pages of 1 MB, and made-up SYNs to the unique address from an address of "
    "their own, their TCP options in random order; the generator counts what comes back"
)

CLAIMS = (
    claim_of(
        "filter-refuses-strangers",
        "A filter on the servers keeps everything but joins off their unique addresses.",
        "SYNs without MP_JOIN, and with one of a wrong length, to which a SYN+ACK came",
        _METHOD,
        "Not one of a thousand of each kind, in IPv4 and IPv6, whether the rest is dropped or reset: a rule has no "
        "exceptions. Without the filter each plain SYN must be answered, or it would be no test.",
        _strangers_are_refused,
    ),
    claim_of(
        "filter-lets-joins-pass",
        "Joins pass the filter.",
        "joins of clients that were accepted, and joins with a token in use that were answered",
        _METHOD + ". Joins with a token in use are sent twice, the second time in another order",
        "All of them: a thousand or more of clients, and each of those made up with a token in use.",
        _joins_pass,
    ),
    claim_of(
        "filter-costs-no-goodput",
        "The filter costs no goodput.",
        "goodput with the filter over that without it",
        "experiment `protection-goodput`: Figs. 7 and 14 with and without it",
        "99 to 101 %. In virtual time CPU work takes none: this says that no packet is lost or late by the filter, not "
        "what the rules cost.",
        _same_goodput,
    ),
)
