"""For every claim on routes that move: points by which it holds, by which it does not, by which it cannot be judged."""

from __future__ import annotations

from typing import Any

from claim_cases import Case

from analysis.claims.routed_anycast import MPTCP, SETTINGS, TCP
from analysis.summary.model import PointSummary, Rerouting

SCHEME = {"add_addr": True, "deny_join": True, "lb_mode": "backup"}
FIGURES: dict[str, Any] = {
    "t": 3.0, "event": "link-silent", "link": "r1-r2", "server": "s1", "rerouted_s": 3.2, "unique_rerouted_s": 3.2,
    "under_way": 20, "joined": 0, "broken": 20, "strays": 20, "answered": 20, "explained": 20, "repeats": 20,
    "waited_s": (0.1, 1.0, 4.0), "lag_s": 0.005,
}  # fmt: skip


def cell(protocol: str, **changes: Any) -> PointSummary:
    """A valid point: twenty transfers under way, and a link that fell silent; TCP's broke, as the paper says."""
    of_mptcp = {"joined": 20, "broken": 0} if protocol == MPTCP else {}
    figures = {**FIGURES, **of_mptcp, **changes}
    return PointSummary(
        id=f"fig03-silent-download-{protocol}",
        experiment="fig03",
        scheme="paper" if protocol == MPTCP else "",
        conditions={"failure": "silent", "transfer": "download"},
        protocol=protocol,
        clock="virtual",
        seed=1,
        parameters={**SETTINGS, **(SCHEME if protocol == MPTCP else {})},
        valid=True,
        reroutings=(Rerouting(**figures),),
    )


CASES: dict[str, Case] = {
    "moved-route-breaks-tcp": Case(
        [cell(TCP)],
        [cell(TCP, broken=18)],
        "silent, download: 90.0 % (69.9 to 97.2, 18 of 20, 95 % interval), wanted: all",
        [cell(TCP, under_way=0, broken=0)],
        "silent, download: nothing was under way when the route moved",
    ),
    "moved-route-first-packet-reset": Case(
        [cell(TCP)],
        [cell(TCP, answered=19)],
        "19 of 20, 95 % interval), wanted: all",
        [cell(TCP, strays=0, answered=0)],
        "silent, download: no packet came to another server",
    ),
    "moved-route-wait-explained": Case(
        [cell(TCP), cell(TCP, event="link-down", repeats=3)],
        [cell(TCP, repeats=19)],
        "silent, download, retransmissions: 95.0 %",
        [cell(MPTCP)],
        "no such point: fig03, tcp",
    ),
    "moved-route-survived": Case(
        [cell(MPTCP)],
        [cell(MPTCP, broken_joined=1)],
        "1 of 20, 95 % interval), wanted: none",
        [cell(MPTCP, joined=0)],
        "silent, download: no connection had a confirmed second subflow",
    ),
    "moved-route-unique-too": Case(
        [cell(MPTCP), cell(MPTCP, event="path-flipped", link="", unique_rerouted_s=None)],
        [cell(MPTCP, unique_rerouted_s=9.0)],
        "silent, download: 9.00 s (after the change), wanted: with the route to the service",
        [cell(TCP)],
        "no such point: fig03, mptcp",
    ),
}
