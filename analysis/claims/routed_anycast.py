"""Claims on a route to an anycast address that moves (section IV-B, Fig. 3), step by step.

The points are those of the experiment `fig03`: a cell for each way in which the route moves, and for each direction of
the transfers. The first change of each is judged: before it all of them are with the nearer server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis.claims.evidence import share, speaking
from analysis.claims.model import CannotBeJudged, Check, Claim, Estimate
from analysis.summary.model import PointSummary, Rerouting

EXPERIMENT = "fig03"
SETTINGS: Mapping[str, object] = {
    "announced_by": "router", "hello_s": 1.0, "dead_s": 4.0, "near_cost": 10, "far_cost": 20, "concurrency": 20,
}  # fmt: skip
TCP, MPTCP = "tcp", "mptcp"
SILENT = "link-silent"
_LONGEST_DELAY_S = 0.25

Points = Sequence[PointSummary]


def _first_changes(points: Points, protocol: str) -> Iterator[tuple[str, Rerouting]]:
    """What the first change did, by the name of the cell; raises CannotBeJudged where there is none."""
    mine = [
        point
        for point in points
        if (point.experiment, point.protocol, point.clock) == (EXPERIMENT, protocol, "virtual")
    ]
    measured = [point for point in speaking(mine, f"{EXPERIMENT}, {protocol}", SETTINGS) if point.reroutings]
    if not measured:
        raise CannotBeJudged(f"{EXPERIMENT}: no routes were recorded")
    for point in measured:
        cell = ", ".join(point.conditions.values())
        yield f"{cell}, seed {point.seed}" if point.seed != 1 else cell, point.reroutings[0]


def _tcp_breaks(points: Points) -> list[Check]:
    return [
        share(
            cell, each.broken, each.under_way, bound="all", holds=each.broken == each.under_way,
            why="nothing was under way when the route moved",
        )
        for cell, each in _first_changes(points, TCP)
    ]  # fmt: skip


def _scheme_goes_on(points: Points) -> list[Check]:
    return [
        share(
            cell, each.broken_joined, each.joined, bound="none", holds=each.broken_joined == 0,
            why="no connection had a confirmed second subflow",
        )
        for cell, each in _first_changes(points, MPTCP)
    ]  # fmt: skip


def _answered_by_reset(points: Points) -> list[Check]:
    return [
        share(
            cell, each.answered, each.strays, bound="all", holds=each.answered == each.strays,
            why="no packet came to another server",
        )
        for cell, each in _first_changes(points, TCP)
    ]  # fmt: skip


def _unique_route_moves(points: Points) -> list[Check]:
    """With a link both addresses lose their way; a route that is preferred elsewhere is that to the service alone."""
    checks = []
    for cell, each in _first_changes(points, MPTCP):
        if not each.link:
            continue
        bound, moved = "with the route to the service", each.unique_rerouted_s
        if moved is None or each.rerouted_s is None:
            checks.append(Check(cell, None, bound=bound, holds=moved is not None, why="its route did not move"))
            continue
        estimate = Estimate(value=moved, low=moved, high=moved, unit="s", basis="after the change")
        checks.append(Check(cell, estimate, bound, abs(moved - each.rerouted_s) < 1))
    return checks


def _wait_is_the_old_servers(points: Points) -> list[Check]:
    checks = []
    for cell, each in _first_changes(points, TCP):
        is_silent = each.event == SILENT
        hits = each.repeats if is_silent else each.explained
        is_prompt = each.lag_s is None or each.lag_s <= _LONGEST_DELAY_S
        checks.append(
            share(
                f"{cell}, {'retransmissions' if is_silent else 'answers and own data'}", hits, each.strays,
                bound="all", holds=hits == each.strays and is_prompt, why="no packet came to another server",
            )
        )  # fmt: skip
    return checks


_METHOD = (
    "experiment `fig03`: twenty transfers of 3 MB at a time, downloads or uploads; at 3 s the link R1-R2 loses its "
    "carrier, falls silent (in both directions, or one), costs more, or R1 prefers the other way"
)

CLAIMS = (
    Claim(
        id="moved-route-breaks-tcp",
        place="§IV-B, Fig. 3",
        figure="3",
        sentence="When the route to an anycast address moves to another server, TCP connections break.",
        paper="",
        quantity="of the TCP transfers that were under way at the nearer server when the route moved, those that broke",
        unit="%",
        method=_METHOD,
        tolerance="All must break: no server knows the connections of another.",
        check=_tcp_breaks,
        by_scheme=False,
    ),
    Claim(
        id="moved-route-first-packet-reset",
        place="§IV-B, Fig. 3",
        figure="3",
        sentence="The next packet of the client reaches another server, which answers it with a RST.",
        paper="",
        quantity="of the TCP connections whose packets came to the other server, those that it answered with a RST",
        unit="%",
        method=_METHOD + "; captures at both servers",
        tolerance="All: it has no socket for them, and a packet without a socket is answered so (RFC 9293, 3.10.7.1).",
        check=_answered_by_reset,
        by_scheme=False,
    ),
    Claim(
        id="moved-route-wait-explained",
        place="§IV-B, Fig. 3",
        figure="3",
        sentence="The connection breaks with the next packet that its client sends.",
        paper="",
        quantity="TCP connections whose first packet at the other server is explained by the captures: who downloads "
        "answers what the old server sends; who uploads sends data",
        unit="%",
        method=_METHOD + "; captures at the client and at both servers. After a silence of several seconds what is "
        "sent is a retransmission, the old server's or the client's own: until then nobody has anything to send, and "
        "the connection outlives its route",
        tolerance=f"All, and answers within {_LONGEST_DELAY_S:g} s of what they answer: an acknowledgement may wait "
        "for a fifth of a second.",
        check=_wait_is_the_old_servers,
        by_scheme=False,
    ),
    Claim(
        id="moved-route-survived",
        place="§IV-B, Fig. 3",
        figure="3",
        sentence="Connections that have moved to the server's unique address go on when the anycast route moves.",
        paper="",
        quantity="of the connections with a confirmed second subflow when the route moved, those that broke",
        unit="%",
        method=_METHOD,
        tolerance="None may break, whatever the failure and the direction.",
        check=_scheme_goes_on,
    ),
    Claim(
        id="moved-route-unique-too",
        place="§IV-B, Fig. 3",
        figure="3",
        sentence="The unique address stays reachable: its own route moves as well, to the same server.",
        paper="",
        quantity="from the change until the client's router had another route to the old server's unique address",
        unit="s",
        method=_METHOD + "; routes as the routers' kernels were given them",
        tolerance="Within a second of the route to the service: both are of one calculation of the shortest paths.",
        check=_unique_route_moves,
        by_scheme=False,
    ),
)
