"""Made-up summaries with the settings of the paper's figures, for the claims to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.claims import anycast, load_balancer, uploads
from analysis.flows.joins import Joins
from analysis.summary.model import Churn, PointSummary, SecondBySecond
from testbed.base.traits import Path, Traits
from testbed.record.legacy import names_of

SCHEME = {
    "add_addr": True, "deny_join": True, "initial_backup": True, "add_addr_resend_interval_s": 0.01,
    "lb_mode": "backup", "cwnd_push": "all",
}  # fmt: skip
LABELS = {"paper": "MPTCP, as in the paper", "upstream": "MPTCP, upstream", "": ""}
SIZES = load_balancer.SIZES
REQUESTS = 100


def page(
    figure: str,
    protocol: str,
    size: int,
    mbps: float,
    *,
    seed: int = 1,
    clock: str = "virtual",
    scheme: str = "paper",
    **changes: Any,
) -> PointSummary:
    """A valid point of Figs. 6 to 11 in which every connection joined and 95 % of the bytes went past the director."""
    mptcp = protocol == "mptcp"
    scheme = scheme if mptcp else ""
    fields: dict[str, Any] = {
        "id": f"fig{figure}-{scheme}{protocol}-{size}-{clock}-{seed}", "scheme": scheme, "variant": LABELS[scheme],
        "experiment": f"fig{int(figure):02}", "figure": figure,
        "title": "Page loads", "plot": "page-size", "parts": names_of("load-balancer"), "protocol": protocol,
        "clock": clock,
        "profile": "quick", "object_bytes": size, "seed": seed,
        "traits": Traits(picture="client <----> director\n"),
        "parameters": {"requests": REQUESTS, **load_balancer.LINKS[figure], **SCHEME},
        "goodput_bps": mbps * 1e6, "wire_limit_bps": 923_276_983.1 if mptcp else 94_148_244.5,
        "requests_per_s": mbps * 1e6 / 8 / size, "complete_requests": REQUESTS, "failed_requests": 0,
        "connections": REQUESTS, "joined": REQUESTS if mptcp else 0, "director_bypass_share": 0.95 if mptcp else 0.0,
        "resets": 0, "resets_received": 0, "virtual_s": 1.0, "wall_s": 1.0, "valid": True,
    }  # fmt: skip
    return PointSummary(**(fields | changes))


def pages(figure: str, protocol: str, mbps: Mapping[int, float] | float, **changes: Any) -> list[PointSummary]:
    """One point per page size; a number is the goodput of all of them."""
    each = mbps if isinstance(mbps, Mapping) else dict.fromkeys(SIZES, mbps)
    return [page(figure, protocol, size, value, **changes) for size, value in each.items()]


def seeds(count: int, points: Sequence[PointSummary]) -> list[PointSummary]:
    """The same points under `count` seeds."""
    return [replace(point, seed=seed, id=f"{point.id}-{seed}") for seed in range(1, count + 1) for point in points]


def without(points: Sequence[PointSummary], size: int) -> list[PointSummary]:
    """The points but those of one page size."""
    return [point for point in points if point.object_bytes != size]


def upload(size: int, mbps: float, **changes: Any) -> PointSummary:
    """A valid point of the uploads."""
    parameters = {"requests": REQUESTS, **uploads.SETTINGS, **SCHEME}
    point = page("7", "mptcp", size, mbps, parameters=parameters)
    return replace(point, figure="", experiment="upload", **changes)


def mixed(up_mbps: float, down_mbps: float | None) -> list[PointSummary]:
    """A valid point of the mixed load by each of its directors."""
    down_bps = None if down_mbps is None else down_mbps * 1e6
    past = Path(name="past", direction="to-client", address="unique", past_director=True, wire_limit_bps=923_276_983.1)
    given: dict[str, Any] = {"experiment": uploads.MIXED_LOAD, "traits": Traits(paths=(past,))}
    points = by_director("mptcp", up_mbps, meanwhile_goodput_bps=down_bps, **given)
    return [point for point in points if point.condition in uploads.MIXED]


def by_director(protocol: str, mbps: float, **changes: Any) -> list[PointSummary]:
    """A valid point of the uploads of 1 MB by each director."""
    fields: dict[str, Any] = {"figure": "", "experiment": uploads.BY_DIRECTOR, **changes}
    point = page("7", protocol, 1_000_000, mbps, parameters={"requests": REQUESTS, **uploads.SETTINGS, **SCHEME})
    return [replace(point, condition=name, id=f"{point.id}-{name}", **fields) for name in uploads.DIRECTORS]


def changes_of_the_servers() -> tuple[Churn, ...]:
    """The sixteen changes of Figs. 13 and 14."""
    removed = [Churn(10.0 + 15 * k, anycast.REMOVED, f"s{k % 3 + 1}") for k in range(8)]
    added = [Churn(15.0 + 15 * k, anycast.ADDED, f"s{k % 3 + 1}") for k in range(8)]
    return tuple(sorted([*removed, *added], key=lambda change: change.t))


def timeline(
    figure: str,
    *,
    all_mbps: float = 2860.0,
    out_mbps: float = 1910.0,
    per_removal: int = 300,
    per_addition: int = 100,
    otherwise: int = 0,
    seed: int = 1,
    **changes: Any,
) -> PointSummary:
    """A valid point of Fig. 13 (TCP) or Fig. 14: 120 s with the sixteen changes, RSTs in the second of each."""
    protocol = "tcp" if figure == "13" else "mptcp"
    scheme = "" if protocol == "tcp" else "paper"
    traced = {anycast.REMOVED: per_removal, anycast.ADDED: per_addition}
    churn = tuple(replace(each, resets=traced[each.event]) for each in changes_of_the_servers())
    starts = {change.t: change.event for change in churn}
    bits, resets = [], []
    out = 0
    for second in range(120):
        event = starts.get(float(second))
        out += {None: 0, anycast.REMOVED: 1, anycast.ADDED: -1}[event]
        bits.append(int((out_mbps if out else all_mbps) * 1e6))
        resets.append({None: otherwise, anycast.REMOVED: per_removal, anycast.ADDED: per_addition}[event])
    fields: dict[str, Any] = {
        "id": f"fig{figure}-{seed}", "experiment": f"fig{figure}", "figure": figure, "title": "Anycast",
        "plot": "timeline", "scheme": scheme, "variant": LABELS[scheme], "parts": names_of("anycast"),
        "protocol": protocol, "clock": "virtual", "profile": "quick",
        "object_bytes": 10**8, "seed": seed, "parameters": {**anycast.SETTINGS, **SCHEME}, "goodput_bps": 2.5e9,
        "wire_limit_bps": 2_769_830_949.3, "complete_requests": 300, "failed_requests": 0, "connections": 600,
        "joined": 600, "director_bypass_share": 0.97, "resets": 0, "resets_received": 0, "valid": True,
        "per_second": SecondBySecond(tuple(bits), tuple(resets), tuple(resets), churn),
    }  # fmt: skip
    return PointSummary(**(fields | changes))


def scheme(variant: str, condition: str, *, joined: int = REQUESTS, asked: int = 0, refused: int = 0) -> PointSummary:
    """A valid point of `ablation-schemes`."""
    return replace(
        page("7", "mptcp", 1_000_000, 90.0, scheme=""),
        figure="", experiment="ablation-schemes", plot="ablation", variant=variant, condition=condition,
        id=f"scheme-{variant}-{condition}".replace(" ", "-"),
        joined=joined, joins=Joins(asked, asked - refused, refused, 0, 0),
    )  # fmt: skip
