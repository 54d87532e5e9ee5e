"""Claims on the scheme itself (section IV and V-A): the C flag, the reliable ADD_ADDR, what bypasses the director."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.claims.anycast import SETTINGS as ANYCAST
from analysis.claims.evidence import (
    Wanted,
    by_seed,
    bypass_percent,
    find,
    per_size,
    size_name,
    valid_of,
    wilson,
    within,
)
from analysis.claims.load_balancer import of_figure
from analysis.claims.model import CannotBeJudged, Check, Claim, NoSuchPoint
from analysis.summary.model import PointSummary

LARGE = (1_000_000, 5_000_000, 10_000_000)
ABLATION = "ablation-schemes"
_NO_FLAG, _FLAG = "MPTCP, no flag", "flag only"
_ONCE, _RELIABLE = "flag + ADD_ADDR, 120 s", "+ resend"

Points = Sequence[PointSummary]


def _almost_all_bypass(points: Points) -> list[Check]:
    bound = "at least 90 %"
    found = of_figure(points, "7", "mptcp")

    def check(label: str, size: int) -> Check:
        return within(label, by_seed(found[size], bypass_percent), "%", bound, low=90.0)

    checks = [_named("Fig. 7", check) for check in per_size(found, LARGE, check, bound)]
    try:
        anycast = find(points, Wanted("14", "mptcp", ANYCAST))
    except CannotBeJudged:
        return checks  # the sentence is about the load balancer; anycast is a further witness
    for size, members in anycast.items():
        values = by_seed(members, bypass_percent)
        checks.append(within(f"Fig. 14, {size_name(size)}", values, "%", bound, low=90.0))
    return checks


def _named(prefix: str, check: Check) -> Check:
    return Check(f"{prefix}, {check.label}", check.measured, bound=check.bound, holds=check.holds, why=check.why)


def _variant(points: Points, variant: str, condition: str) -> list[PointSummary]:
    mine = [p for p in points if (p.experiment, p.variant, p.condition) == (ABLATION, variant, condition)]
    if not mine:
        raise NoSuchPoint(f"no such point: {ABLATION}, variant {variant!r}, condition {condition!r}")
    return valid_of(mine, f"{ABLATION}, variant {variant!r}")


def _joins_to_the_virtual_address(points: Points) -> list[Check]:
    checks = []
    for variant, some in ((_NO_FLAG, True), (_FLAG, False)):
        members = _variant(points, variant, "no loss")
        joins = [point.joins for point in members if point.joins is not None]
        if len(joins) < len(members):
            raise CannotBeJudged(f"{ABLATION}, variant {variant!r}: joins were not counted")
        asked, refused = sum(each.asked for each in joins), sum(each.refused for each in joins)
        connections = sum(point.connections or 0 for point in members)
        if not connections:
            raise CannotBeJudged(f"{ABLATION}, variant {variant!r}: no connection")
        if some:
            bound = "some are refused"
            estimate = wilson(refused, asked) if asked else wilson(0, connections)
            checks.append(Check("without the flag, joins refused", estimate, bound, refused > 0))
        else:
            bound = "no connection asks for one"
            estimate = wilson(min(asked, connections), connections)
            checks.append(Check("with the flag, joins asked for", estimate, bound, asked == 0))
    return checks


def _survives_a_lost_add_addr(points: Points) -> list[Check]:
    checks = []
    for variant, low, high, label in (
        (_ONCE, 0.0, 50.0, "kernel's default timeout"),
        (_RELIABLE, 95.0, 100.0, "repeated until echoed"),
    ):
        members = _variant(points, variant, "ADD_ADDR lost")
        connections = sum(point.connections or 0 for point in members)
        joined = sum(point.joined or 0 for point in members)
        bound = f"at least {low:.0f} %" if low else f"below {high:.0f} %"
        estimate = wilson(joined, connections)
        kept = estimate.value >= low if low else estimate.value < high
        checks.append(Check(f"{label}, connections with a second subflow", estimate, bound, kept))
    return checks


CLAIMS = (
    Claim(
        id="c-flag-keeps-joins-off-the-vip",
        place="§IV",
        figure="",
        sentence="Without the flag, joins to the virtual address reach servers that do not know the connection; with "
        "it the client sends none.",
        paper="",
        quantity="joins to the virtual address",
        unit="%",
        method=f"MP_JOINs in the captures of {ABLATION}, three servers, no loss; pooled over seeds, Wilson's interval",
        tolerance="At least one refused without the flag, not a single one sent with it: it is a rule of the protocol.",
        check=_joins_to_the_virtual_address,
        by_scheme=False,
    ),
    Claim(
        id="reliable-add-addr",
        place="§IV and V-A",
        figure="",
        sentence="An ADD_ADDR that is repeated until it is echoed brings the second subflow although the first one "
        "was lost.",
        paper="",
        quantity="connections with a second subflow",
        unit="%",
        method=f"{ABLATION}, the first ADD_ADDR of every connection dropped; pooled over seeds, Wilson's interval",
        tolerance="At least 95 % of the connections where it is repeated (ab opens a few that it never uses, which "
        "carry nothing that would repeat it), and below half where it practically is not.",
        check=_survives_a_lost_add_addr,
        by_scheme=False,
    ),
    Claim(
        id="almost-all-bytes-bypass",
        place="§V-B",
        figure="",
        sentence="Almost all bytes bypass the load balancer.",
        paper="",
        quantity="share of the payload that comes past the director",
        unit="%",
        method="captures at the client, pages of 1 MB and more in Fig. 7, and Fig. 14 where there is one",
        tolerance="At least 90 %: with less, one would not say 'almost all'. Smaller pages are mostly over before the "
        "second subflow is up, and not what the sentence is about.",
        check=_almost_all_bypass,
    ),
)
