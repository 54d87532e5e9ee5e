"""For every claim on balancers: points by which it holds, by which it does not, and by which it cannot be judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from claim_cases import Case

from analysis.claims import balancers
from analysis.claims.balancers import ADDED, LOST, NOTHING, REMOVED
from analysis.claims.cells import SCHEME, TCP
from analysis.summary.model import Balancing, PointSummary, SecondBySecond, ServerChange
from testbed.base.traits import Path, Traits

NAT, ECMP = balancers.REFERENCE, "ECMP"
PAST = Traits(paths=(Path(name="past", direction="to-client", address="service", past_director=True),))


def cell(variant: str, balancer: str, event: str, **changes: Any) -> PointSummary:
    """A valid point: fifteen downloads under way, of MPTCP ten with a second subflow; none broke."""
    mptcp = variant != TCP
    figures: dict[str, Any] = {
        "under_way": 15, "joined": 10 if mptcp else 0, "director_entries": 40, "director_bytes_to_servers": 1_500_000,
        "director_bytes_to_clients": 90_000_000,
    }  # fmt: skip
    found = Balancing(**(figures | {name: changes.pop(name) for name in list(changes) if name in figures}))
    broken = ServerChange(6.0, event, "s4", changes.pop("broken", 0), changes.pop("broken_joined", 0))
    if event != NOTHING:
        found = replace(found, changes=(broken,))
    fields: dict[str, Any] = {
        "id": f"balancers-{balancer}-{event}-{variant}", "experiment": "balancers", "variant": variant,
        "condition": f"{balancer}: {event}", "conditions": {"balancer": balancer, "event": event},
        "protocol": "mptcp" if mptcp else "tcp", "clock": "virtual", "seed": 1,
        "parameters": dict(balancers.SETTINGS), "goodput_bps": 47e6, "director_bypass_share": 0.8 if mptcp else 0.0,
        "valid": True, "balancing": found,
        "per_second": SecondBySecond((48_000_000,) * 15, (0,) * 15, (0,) * 15, ()),
    }  # fmt: skip
    return PointSummary(**(fields | changes))


def broken_by(event: str, broken_joined: int) -> list[PointSummary]:
    return [
        cell(TCP, NAT, event, broken=4),
        cell(SCHEME, NAT, event),
        cell(SCHEME, ECMP, event, broken=broken_joined, broken_joined=broken_joined),
    ]


DIRECT_RETURN = {"traits": PAST, "director_bytes_to_clients": 0}

CASES: dict[str, Case] = {
    "any-balancer-same-goodput": Case(
        [cell(SCHEME, NAT, NOTHING), cell(SCHEME, ECMP, NOTHING, goodput_bps=46e6)],
        [cell(SCHEME, NAT, NOTHING), cell(SCHEME, ECMP, NOTHING, goodput_bps=40e6)],
        "ECMP: 85.1 % (one seed), wanted: 97 to 103 %",
        [cell(SCHEME, ECMP, NOTHING)],
        "no valid point of NAT, rr, to compare with",
    ),
    "director-loss-survived": Case(
        broken_by(LOST, 0),
        broken_by(LOST, 2),
        "ECMP, joined and broken: 20.0 % (5.7 to 51.0, 2 of 10, 95 % interval), wanted: none",
        [cell(TCP, NAT, LOST, broken=4), cell(SCHEME, NAT, LOST, joined=0)],
        "NAT, rr, joined and broken: no connection had a confirmed second subflow",
    ),
    "server-removal-survived": Case(
        broken_by(REMOVED, 0),
        [cell(TCP, NAT, REMOVED), cell(SCHEME, NAT, REMOVED)],
        "TCP, broken: 0 downloads (1 balancers), wanted: some",
        broken_by(REMOVED, 0)[1:],
        "no such point: balancers, server removed, TCP",
    ),
    "table-of-connections-keeps-them": Case(
        [cell(TCP, NAT, ADDED), cell(TCP, ECMP, ADDED, broken=9, director_entries=0)],
        [cell(TCP, NAT, ADDED, broken=3)],
        "NAT, rr, broken: 20.0 % (7.0 to 45.2, 3 of 15, 95 % interval), wanted: none",
        [cell(TCP, ECMP, ADDED, broken=9, director_entries=0)],
        "no balancer that keeps entries of connections",
    ),
    "direct-return-leaves-acks-only": Case(
        [cell(TCP, NAT, NOTHING), cell(TCP, "DR", NOTHING, **DIRECT_RETURN)],
        [cell(TCP, "DR", NOTHING, traits=PAST)],
        "DR: 101.7 % (one seed), wanted: below 5 %",
        [cell(TCP, NAT, NOTHING)],
        "no balancer whose servers answer past it",
    ),
}
