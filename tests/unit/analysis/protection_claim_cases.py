"""For every claim on protected unique addresses: points by which it holds, does not, and cannot be judged."""

from __future__ import annotations

from typing import Any

from claim_cases import Case

from analysis.claims import own_addresses, protection
from analysis.claims.own_addresses import ADDRESSES, CHECKED, KINDS, NO_FLOOD, OWN, TOKENS, UNCHECKED
from analysis.claims.protection import EXPERIMENT, FILTER, GOODPUT, LIVE, OPEN, REFUSED_KINDS
from analysis.flows.joins import Joins
from analysis.summary.model import PointSummary
from testbed.record.syns import Tally

ALL_JOINED = Joins(asked=1002, accepted=1002, refused=0, unanswered=0, reset=0)
ONE_LOST = Joins(asked=1002, accepted=1001, refused=0, unanswered=1, reset=0)


def tally(kind: str, syns: int, answered: int) -> Tally:
    return Tally.model_validate(
        {
            "kind": kind, "to": "10.0.3.101", "syns": syns, "frames": syns, "answered": answered, "refused": 0,
            "syn_acks": answered, "resets": 0, "others": 0,
        }
    )  # fmt: skip


def cell(experiment: str, part: str, place: str, **changes: Any) -> PointSummary:
    """A valid point of the paper's scheme in which a filter does what it is to, or nobody is kept away."""
    through = 1000 if part == OPEN else 0
    name = "open" if part == OPEN else "joins only"
    fields: dict[str, Any] = {
        "id": f"{experiment}-{name}-{place}", "experiment": experiment, "scheme": protection.PAPER,
        "condition": f"{name}: {place}", "conditions": {protection.AXIS: name, "place": place},
        "parts": {"protection": part}, "protocol": "mptcp", "clock": "virtual", "seed": 1, "object_bytes": 1_000_000,
        "goodput_bps": 9e8, "valid": True, "joins": ALL_JOINED,
        "syns": (*(tally(kind, 1000, through) for kind in REFUSED_KINDS), tally(LIVE, 500, 500)),
    }  # fmt: skip
    return PointSummary(**(fields | changes))


GOOD = [cell(EXPERIMENT, OPEN, "IPv4"), cell(EXPERIMENT, FILTER, "IPv4"), cell(EXPERIMENT, FILTER, "IPv6")]


def goodputs(with_filter_bps: float) -> list[PointSummary]:
    return [cell(GOODPUT, OPEN, "Fig. 14"), cell(GOODPUT, FILTER, "Fig. 14", goodput_bps=with_filter_bps)]


MILLION = own_addresses.FEWEST


def flooded(server: str, flood: str, *, seen: int = 0, **changes: Any) -> PointSummary:
    """A point of the server's under the flood, of which its TCP has `seen` so many SYNs."""
    sent = [{**tally(KINDS[flood], MILLION, 0).fields(), "refused": seen}] if flood in KINDS else []
    fields: dict[str, Any] = {
        "condition": f"{server}: {flood}", "conditions": {own_addresses.SERVER: server, own_addresses.FLOOD: flood},
        "syns": tuple(Tally.model_validate(each) for each in sent),
        "protection": {"passed": 900, "passed-by-old-key": 102, "refused-joins": MILLION - seen},
    }  # fmt: skip
    return cell(own_addresses.EXPERIMENT, OWN, "", **(fields | changes))


def under_floods(**changes: Any) -> list[PointSummary]:
    return [
        flooded(CHECKED, NO_FLOOD),
        flooded(CHECKED, TOKENS, **changes),
        flooded(CHECKED, ADDRESSES),
        *(flooded(UNCHECKED, flood, seen=MILLION) for flood in (TOKENS, ADDRESSES)),
    ]


CASES: dict[str, Case] = {
    "filter-refuses-strangers": Case(
        GOOD,
        [*GOOD[:2], cell(EXPERIMENT, FILTER, "IPv6", syns=(tally("plain", 1000, 1),))],
        "joins only: IPv6, plain SYNs answered: 0.10 % (0.02 to 0.56, 1 of 1000, 95 % interval), wanted: 0",
        [GOOD[0], cell(EXPERIMENT, FILTER, "IPv4", syns=())],
        "joins only: IPv4, plain SYNs answered: 0 were sent",
    ),
    "filter-lets-joins-pass": Case(
        GOOD,
        [cell(EXPERIMENT, FILTER, "IPv4", joins=ONE_LOST)],
        "joins only: IPv4, clients' joins accepted: 99.9 % (99.4 to 100.0, 1001 of 1002, 95 % interval), wanted: all",
        [cell(EXPERIMENT, FILTER, "IPv4", joins=None)],
        "joins only: IPv4: 0 joins of clients and 500 repeated ones were sent",
    ),
    "filter-costs-no-goodput": Case(
        goodputs(8.95e8),
        goodputs(8.7e8),
        "Fig. 14, 1 MB: 96.7 % (one seed), wanted: 99 to 101 %",
        goodputs(9e8)[:1],
        "no such point: protection-goodput, protection joins-only",
    ),
    "own-address-stops-guesses": Case(
        under_floods(),
        under_floods(seen=1),
        "own addresses, random tokens, SYNs that the server's TCP has seen: 0.0001 % (0.0000 to 0.0006, 1 of 1000000",
        under_floods(syns=()),
        "own addresses, random tokens, SYNs that the server's TCP has seen: 0 were sent",
    ),
    "own-address-lets-joins-pass": Case(
        under_floods(),
        under_floods(joins=ONE_LOST),
        "random tokens, joins of clients accepted: 99.9 % (99.4 to 100.0, 1001 of 1002, 95 % interval), wanted: all",
        under_floods(joins=None),
        "random tokens, joins of clients accepted: no client has joined",
    ),
    "own-address-keeps-goodput": Case(
        under_floods(goodput_bps=8.95e8),
        under_floods(goodput_bps=8e8),
        "random tokens: 88.9 % (one seed), wanted: 99 to 101 %",
        under_floods()[1:],
        "no valid point of own addresses, no flood",
    ),
}
