"""Claims on any balancer (section V-B): the same goodput with each, and what outlives a lost director or server.

The points are those of the experiment `balancers`: a cell for each balancer and each thing that happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from analysis.claims.cells import SCHEME, TCP, Cells, Points, cells, changes_in, joined_and_broken
from analysis.claims.evidence import by_seed, same, wilson, within
from analysis.claims.model import CannotBeJudged, Check, Claim, Estimate
from analysis.summary.model import PointSummary

EXPERIMENT = "balancers"
SETTINGS: Mapping[str, object] = {
    "servers": 4, "client_director_rate_bps": 50_000_000, "direct_rate_bps": 50_000_000,
    "director_server_rate_bps": 50_000_000, "concurrency": 15, "duration_s": 15.0,
}  # fmt: skip
REFERENCE = "NAT, rr"
NOTHING, REMOVED, ADDED, LOST = "nothing happens", "server removed", "server added", "director lost"
_SAME_PERCENT = 3.0
_ACKS_PERCENT = 5.0


def _cells(points: Points, event: str, variant: str) -> Cells:
    """Those of the experiment; raises as `cells`."""
    return cells(points, EXPERIMENT, SETTINGS, event, variant)


def past_director_mbps(point: PointSummary) -> float | None:
    """What came past the director, in Mbit/s: all of it is the direct path's."""
    share, goodput = point.director_bypass_share, point.goodput_bps
    return None if share is None or goodput is None else share * goodput / 1e6


def _same_goodput(points: Points) -> list[Check]:
    found = _cells(points, NOTHING, SCHEME)
    if REFERENCE not in found:
        raise CannotBeJudged(f"{EXPERIMENT}: no valid point of {REFERENCE}, to compare with")
    return [
        same(balancer, members, found[REFERENCE], past_director_mbps, _SAME_PERCENT)
        for balancer, members in found.items()
        if balancer != REFERENCE
    ]


def _survived(points: Points, event: str) -> list[Check]:
    """TCP loses some, or nothing has been tried; of the scheme's connections that had joined none."""
    others = _cells(points, event, TCP)
    broken = sum(change.broken for members in others.values() for point in members for change in changes_in(point))
    value = Estimate(broken, broken, broken, "downloads", f"{len(others)} balancers")
    checks = [Check("TCP, broken", value, "some", broken > 0)]
    for balancer, members in _cells(points, event, SCHEME).items():
        checks.append(joined_and_broken(f"{balancer}, joined and broken", members))
    return checks


def _state_keeps(points: Points) -> list[Check]:
    checks = []
    for balancer, members in _cells(points, ADDED, TCP).items():
        if not any(point.balancing and point.balancing.director_entries for point in members):
            continue
        under_way = sum((point.balancing.under_way or 0) for point in members if point.balancing)
        broken = sum(change.broken for point in members for change in changes_in(point))
        checks.append(Check(f"{balancer}, broken", wilson(broken, max(under_way, broken, 1)), "none", broken == 0))
    if not checks:
        raise CannotBeJudged(f"{EXPERIMENT}, {ADDED}: no balancer that keeps entries of connections")
    return checks


def _acknowledgements_only(points: Points) -> list[Check]:
    checks = []
    for balancer, members in _cells(points, NOTHING, TCP).items():
        answering_past = [point for point in members if _answers_past(point)]
        if answering_past:
            values = by_seed(answering_past, _share_at_director)
            bound = f"below {_ACKS_PERCENT:g} %"
            checks.append(within(balancer, values, "%", bound, below=_ACKS_PERCENT))
    if not checks:
        raise CannotBeJudged(f"{EXPERIMENT}, {NOTHING}: no balancer whose servers answer past it")
    return checks


def _answers_past(point: PointSummary) -> bool:
    return any(
        path.past_director and (path.direction, path.address) == ("to-client", "service") for path in point.traits.paths
    )


def _share_at_director(point: PointSummary) -> float | None:
    """Bytes that passed the director in both directions, in percent of the payload that the client got."""
    found, series = point.balancing, point.per_second
    if found is None or found.director_bytes_to_servers is None or found.director_bytes_to_clients is None:
        return None
    payload = sum(series.utilisation_bps) / 8 if series else 0
    return 100 * (found.director_bytes_to_servers + found.director_bytes_to_clients) / payload if payload else None


def _survives(event: str) -> Callable[[Points], list[Check]]:
    return partial(_survived, event=event)


_METHOD = "experiment `balancers`: fifteen downloads of 3 MB at a time for 15 s, four servers, all links at 50 Mbit/s"
_CONFIRMED = (
    "A connection counts once its client has the join's fourth ACK, or data on it: until then the server may refuse "
    "what it answered, as it does when the web server has written everything and closed (docs/findings.md)."
)

CLAIMS = (
    Claim(
        id="any-balancer-same-goodput",
        place="§V-B",
        figure="",
        sentence="Any layer-4 load balancer can be used, with the same results.",
        paper="",
        quantity="payload past the director, over that with the paper's balancer (LVS, NAT, round robin)",
        unit="%",
        method=_METHOD + ", nothing happens; captures at the client and at the directors",
        tolerance="97 to 103 %: the beginnings and ends of some forty downloads are worth as much. What goes through a "
        "director is left out, because balancers differ in it: with answers past the director there is no second path.",
        check=_same_goodput,
        by_scheme=False,
    ),
    Claim(
        id="director-loss-survived",
        place="§V-B",
        figure="",
        sentence="A director whose connections have moved to the unique addresses can be lost.",
        paper="",
        quantity="of connections whose second subflow was confirmed, those that broke when a director was lost",
        unit="%",
        method=_METHOD + ", two directors that know nothing of each other, one of which falls silent at 6 s",
        tolerance="None may break, with any balancer; and some of TCP's must, or losing a director would be no test. "
        + _CONFIRMED,
        check=_survives(LOST),
        by_scheme=False,
    ),
    Claim(
        id="server-removal-survived",
        place="§V-B",
        figure="",
        sentence="A server can be taken out of the pool without ending the connections that it has.",
        paper="",
        quantity="of connections whose second subflow was confirmed, those that broke when a server left the pool",
        unit="%",
        method=_METHOD + ", the fourth server is removed at 6 s",
        tolerance="None may break, with any balancer; and some of TCP's must, or the removal would be no test. "
        + _CONFIRMED,
        check=_survives(REMOVED),
        by_scheme=False,
    ),
    Claim(
        id="table-of-connections-keeps-them",
        place="§II",
        figure="",
        sentence="A balancer with a table of connections keeps each at its server when the pool grows.",
        paper="",
        quantity="TCP downloads under way that broke when a server was added, of balancers that keep entries",
        unit="%",
        method=_METHOD + ", a fourth server is added at 6 s",
        tolerance="None may break: the table is asked before the scheduler. Balancers without entries are left out.",
        check=_state_keeps,
        by_scheme=False,
    ),
    Claim(
        id="direct-return-leaves-acks-only",
        place="§V-B",
        figure="",
        sentence="With direct server return the director carries acknowledgements only.",
        paper="",
        quantity="IP bytes that passed the director in both directions, of the payload that the client got by TCP",
        unit="%",
        method=_METHOD + ", nothing happens; captures at the directors' links to the clients",
        tolerance="Below 5 %: an acknowledgement of 52 bytes for two segments of 1448 is 1.8 %, and requests come on "
        "top of it.",
        check=_acknowledgements_only,
        by_scheme=False,
    ),
)
