"""For every claim on section II's rivals: points by which it holds, by which it does not, and cannot be judged."""

from __future__ import annotations

from typing import Any

from claim_cases import Case

from analysis.claims import balancers
from analysis.claims.cells import SCHEME, TCP
from analysis.claims.rivals import (
    ADDED,
    ALTERED,
    AWARE,
    FIXED,
    LOST,
    MOVED,
    NAT,
    NOTHING,
    PROXIES,
    RESTARTED,
    SERVER_ID,
)
from analysis.summary.model import Balancing, PointSummary, ServerChange


def cell(
    balancer: str, event: str, variant: str = TCP, *, broken: int = 0, before: int = 0, **changes: Any
) -> PointSummary:
    """A valid point of fifty connections, fifteen of them under way at the change, of MPTCP ten with a join."""
    mptcp = variant != TCP
    lost = changes.pop("broken_joined", 0)
    change = (ServerChange(6.0, event, "d", broken, lost),) if event != NOTHING else ()
    balancing = Balancing(
        changes=change, broken=broken + before, broken_before=before, under_way=15,
        joined=changes.pop("joined_then", 10 if mptcp else 0), director_entries=changes.pop("entries", 0),
    )  # fmt: skip
    fields: dict[str, Any] = {
        "id": f"rivals-{balancer}-{event}-{variant}", "experiment": "rivals", "variant": variant,
        "condition": f"{balancer}: {event}", "conditions": {"balancer": balancer, "event": event},
        "protocol": "mptcp" if mptcp else "tcp", "clock": "virtual", "seed": 1, "connections": 50,
        "parameters": dict(balancers.SETTINGS), "director_bypass_share": 0.0, "valid": True, "balancing": balancing,
    }  # fmt: skip
    return PointSummary(**(fields | changes))


def numbers(**by_event: int) -> list[PointSummary]:
    events = {ADDED: "added", RESTARTED: "restarted", LOST: "lost"}
    return [
        cell(SERVER_ID, event, variant, broken=by_event.get(name, 0) if variant == TCP else 0)
        for event, name in events.items()
        for variant in (TCP, SCHEME)
    ]


def altered(rival: int, **of_scheme: int) -> list[PointSummary]:
    return [
        cell(SERVER_ID, ALTERED, before=rival),
        cell(SERVER_ID, LOST),
        cell(NAT, ALTERED, SCHEME, **of_scheme),
    ]


def moved(fixed: int, careful: int) -> list[PointSummary]:
    return [cell(FIXED, MOVED, broken=fixed), cell(FIXED, ADDED), cell(SERVER_ID, MOVED, broken=careful)]


def restarted(broken: int, broken_joined: int = 0, **of_scheme: int) -> list[PointSummary]:
    proxies = [cell(proxy, RESTARTED, broken=broken) for proxy in PROXIES]
    return [*proxies, cell(NAT, RESTARTED, SCHEME, broken=broken_joined, broken_joined=broken_joined, **of_scheme)]


def aware(entries: int, broken: int) -> list[PointSummary]:
    return [
        cell(AWARE, NOTHING, entries=entries),
        cell(SERVER_ID, NOTHING),
        cell(AWARE, RESTARTED, broken=broken),
        cell(NAT, RESTARTED, SCHEME),
    ]


PROXIED = [cell(proxy, NOTHING, SCHEME) for proxy in PROXIES]

CASES: dict[str, Case] = {
    "server-number-keeps-connections": Case(
        [cell(NAT, LOST, broken=4), *numbers()],
        [cell(NAT, LOST, broken=4), *numbers(restarted=2)],
        "server id, TCP, director restarted: 4.00 % (1.10 to 13.46, 2 of 50, 95 % interval), wanted: none",
        numbers(),
        "no valid point of NAT, rr",
    ),
    "middlebox-breaks-server-number": Case(
        altered(20),
        altered(0),
        "server id, TCP, timestamps altered: 0.00 % (0.00 to 7.13, 0 of 50, 95 % interval), wanted: some",
        altered(20, joined_then=0),
        "no connection had a confirmed second subflow",
    ),
    "option-position-matters": Case(
        moved(9, 0),
        moved(9, 1),
        "server id, options moved: 2.0",
        moved(9, 0)[:2],
        "no valid point of server id",
    ),
    "proxies-carry-all-bytes": Case(
        PROXIED,
        [PROXIED[0], cell(PROXIES[1], NOTHING, SCHEME, director_bypass_share=0.5)],
        "nginx: 50.0 % (past the proxy), wanted: 0 %",
        PROXIED[:1],
        "no valid point of nginx",
    ),
    "proxy-restart-ends-all": Case(
        restarted(14),
        restarted(3),
        "HAProxy, TCP, broken: 20.0 % (7.0 to 45.2, 3 of 15, 95 % interval), wanted: 75 % at least",
        restarted(14, joined_then=0),
        "no connection had a confirmed second subflow",
    ),
    "state-is-all-it-has": Case(
        aware(30, 13),
        aware(30, 0),
        "MPTCP-aware, TCP, director restarted: 0.00 % (0.00 to 7.13, 0 of 50, 95 % interval), wanted: some",
        aware(30, 13)[:3],
        "no such point: rivals, director restarted, MPTCP, as in the paper",
    ),
}
