"""Claims on an address for each connection (section VI): no guess passes, every join does, and floods change nothing.

The points are those of the experiment `protection-flood`: a cell for each server and each flood.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.claims.evidence import goodput_mbps, same, wilson
from analysis.claims.model import CannotBeJudged, Check
from analysis.claims.protection import Cells, cells, claim_of, tallied
from analysis.summary.model import PointSummary

EXPERIMENT = "protection-flood"
OWN = "address-per-connection"
SERVER, FLOOD = "server", "flood"
CHECKED, UNCHECKED = "own addresses", "own addresses, no check"
NO_FLOOD, TOKENS, ADDRESSES = "no flood", "random tokens", "random addresses"
KINDS = {TOKENS: "guess", ADDRESSES: "join"}
FEWEST = 1_000_000
_SAME_PERCENT = 1.0

Points = Sequence[PointSummary]


def _under(points: Points, server: str, flood: str) -> list[PointSummary]:
    """The valid points of a server under a flood; raises CannotBeJudged where there are none."""
    found: Cells = cells(points, EXPERIMENT, OWN)
    mine = [
        point
        for members in found.values()
        for point in members
        if (point.conditions.get(SERVER), point.conditions.get(FLOOD)) == (server, flood)
    ]
    if not mine:
        raise CannotBeJudged(f"{EXPERIMENT}: no valid point of {server}, {flood}")
    return mine


def _no_guess_passes(points: Points) -> list[Check]:
    checks = []
    for flood, kind in KINDS.items():
        bound = f"0 of {FEWEST} or more"
        for server in (CHECKED, UNCHECKED):
            members = _under(points, server, flood)
            syns, answered, refused = tallied(members, kind)
            label = f"{server}, {flood}, SYNs that the server's TCP has seen"
            if syns < FEWEST:
                checks.append(Check(label, None, bound=bound, holds=None, why=f"{syns} were sent"))
            elif server == CHECKED:
                seen = max(
                    answered + refused, syns - sum(point.protection.get("refused-joins", 0) for point in members)
                )
                checks.append(Check(label, wilson(seen, syns), bound, seen == 0))
            else:
                checks.append(Check(label, wilson(refused, syns), "all, and it resets them", refused == syns))
    return checks


def _every_join_passes(points: Points) -> list[Check]:
    checks = []
    for flood in (NO_FLOOD, *KINDS):
        members = _under(points, CHECKED, flood)
        joins = [point.joins for point in members if point.joins]
        asked, accepted = sum(each.asked for each in joins), sum(each.kept for each in joins)
        label = f"{flood}, joins of clients accepted"
        if not asked:
            checks.append(Check(label, None, bound="all", holds=None, why="no client has joined"))
            continue
        checks.append(Check(label, wilson(accepted, asked), "all", accepted == asked))
        by_old = sum(point.protection.get("passed-by-old-key", 0) for point in members)
        label = f"{flood}, those under way while the secret changed"
        checks.append(Check(label, wilson(min(by_old, asked), asked), "some", by_old > 0))
    return checks


def _floods_change_nothing(points: Points) -> list[Check]:
    quiet = _under(points, CHECKED, NO_FLOOD)
    return [same(flood, _under(points, CHECKED, flood), quiet, goodput_mbps, _SAME_PERCENT) for flood in KINDS]


_METHOD = (
    "experiment `protection-flood`: pages of 1 MB over IPv6, the direct path with 2 ms each way, a new secret ten "
    "times a second, and 100,000 made-up joins a second, a million in all"
)

CLAIMS = (
    claim_of(
        "own-address-stops-guesses",
        "A server that gives each connection an address of its own drops whatever does not know the connection.",
        "made-up joins, to the address of a connection or to random ones, that got past the check",
        _METHOD + "; the generator counts answers, and the check what it drops",
        "Not one of a million: an address is right for a token once in 2^64. Without the check the server's TCP must "
        "have refused all of them with a RST, or it would be no test.",
        _no_guess_passes,
    ),
    claim_of(
        "own-address-lets-joins-pass",
        "Joins of the connections themselves are accepted.",
        "joins of clients that were accepted, and those that came when the secret had changed meanwhile",
        _METHOD,
        "All of them, under floods too; and some must have come by the secret before, or its change would be no test.",
        _every_join_passes,
    ),
    claim_of(
        "own-address-keeps-goodput",
        "Under a flood of guesses clients get what they get without one.",
        "goodput under the flood over that without it",
        _METHOD,
        "99 to 101 %. In virtual time CPU work takes none: a flood that costs CPU alone changes nothing here.",
        _floods_change_nothing,
    ),
)
