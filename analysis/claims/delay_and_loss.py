"""Claims on what delay and loss on the way to a load balancer do (section V-B, Figs. 9 to 11)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from analysis.claims.evidence import (
    Wanted,
    by_seed,
    every_used_connection_joined,
    find,
    goodput_mbps,
    per_size,
    ratios,
    size_name,
    within,
)
from analysis.claims.load_balancer import SIZES, of_figure, settings
from analysis.claims.model import CannotBeJudged, Check, Claim, Mechanism
from analysis.summary.model import PointSummary
from analysis.summary.paper_values import FIG11_MPTCP, FIG11_TCP

Points = Sequence[PointSummary]


def _typical_ratio(points: Points, figure: str, protocol: str) -> dict[int, float]:
    """By seed: geometric mean over the page sizes of the goodput relative to Fig. 7."""
    ours, base = of_figure(points, figure, protocol), of_figure(points, "7", protocol)
    missing = [size_name(size) for size in SIZES if size not in ours or size not in base]
    if missing:
        raise CannotBeJudged(f"no valid point in Fig. 7 or {figure}, {protocol.upper()}: {', '.join(missing)}")
    each = [ratios(ours[size], base[size], goodput_mbps) for size in SIZES]
    seeds = set.intersection(*(set(one) for one in each))
    if not seeds:
        raise CannotBeJudged(f"Figs. 7 and {figure}, {protocol.upper()}: no seed in common")
    return {
        seed: math.exp(sum(math.log(max(one[seed], 1e-9)) for one in each) / len(each)) * 100 for seed in sorted(seeds)
    }


def _strong_effect(points: Points) -> list[Check]:
    return [
        within(protocol.upper(), _typical_ratio(points, "9", protocol), "% of Fig. 7", "below 50 %", below=50.0)
        for protocol in ("tcp", "mptcp")
    ]


def _not_affected_by_loss(points: Points) -> list[Check]:
    ours, base = (of_figure(points, figure, "mptcp") for figure in ("10", "7"))
    bound = "at least 95 %"

    def check(label: str, size: int) -> Check:
        relative = ratios(ours[size], base.get(size, ()), goodput_mbps)
        percent = {seed: value * 100 for seed, value in relative.items()}
        return within(label, percent, "% of Fig. 7", bound, low=95.0)

    return per_size(ours, SIZES, check, bound)


def _second_subflow(points: Points) -> list[Check]:
    found = of_figure(points, "10", "mptcp")

    def check(label: str, size: int) -> Check:
        return every_used_connection_joined(found[size], label)

    return per_size(found, SIZES, check, "all but those that ab never used")


def _about(figure: str, protocol: str, size: int, paper_mbps: float, points: Points) -> list[Check]:
    found = of_figure(points, figure, protocol)
    low, high = 0.8 * paper_mbps, 1.2 * paper_mbps
    bound = f"{low:.0f} to {high:.0f} Mbit/s"

    def check(label: str, size: int) -> Check:
        return within(label, by_seed(found[size], goodput_mbps), "Mbit/s", bound, low=low, high=high)

    return per_size(found, [size], check, bound)


def _latency_over_loss(points: Points) -> list[Check]:
    checks = []
    for protocol in ("tcp", "mptcp"):
        delay, loss = (_typical_ratio(points, figure, protocol) for figure in ("9", "10"))
        share = {seed: delay[seed] / loss[seed] for seed in delay if seed in loss}
        label = f"{protocol.upper()}: what 200 ms leave / what 1 % loss leaves"
        checks.append(within(label, share, "", "below 1", below=1.0))
    return checks


def _nearer_as_a_round_trip(points: Points) -> list[Check]:
    checks = []
    for protocol, paper_mbps in _PAPER_MBPS.items():
        each_way = find(points, Wanted("", protocol, settings(delay_s=0.2, loss=0.01), experiment=READINGS))
        round_trip = of_figure(points, "11", protocol)
        label = f"{protocol.upper()}: off the paper's {paper_mbps:g} Mbit/s with 200 ms each way / with 100 ms"
        if _LARGEST not in each_way or _LARGEST not in round_trip:
            checks.append(
                Check(label, None, bound="above 1", holds=None, why=f"no valid point of {size_name(_LARGEST)}")
            )
            continue
        off = partial(_factor_off, paper_mbps=paper_mbps)
        checks.append(within(label, ratios(each_way[_LARGEST], round_trip[_LARGEST], off), "", "above 1", above=1.0))
    return checks


def _factor_off(point: PointSummary, paper_mbps: float) -> float | None:
    """How many times the goodput is the paper's, or the paper's is the goodput: 1 where they are the same."""
    mbps = goodput_mbps(point)
    return max(mbps / paper_mbps, paper_mbps / mbps) if mbps else None


READINGS = "delay-readings"
_LARGEST = 10_000_000
_PAPER_MBPS = {value.protocol: value.mbps for value in (FIG11_MPTCP, FIG11_TCP)}
_ROUND_TRIP = "The delay is that of the round trip: see fig11-delay-of-the-round-trip."
_GEOMETRIC = "geometric mean over the seven page sizes of goodput / goodput in Fig. 7, seed by seed"

CLAIMS = (
    Claim(
        id="fig09-strong-effect-of-200-ms",
        place="§V-B, Fig. 9",
        figure="9",
        sentence="200 ms of delay to the load balancer hit TCP and MPTCP hard.",
        paper="",
        quantity="goodput relative to Fig. 7",
        unit="%",
        method=f"{_GEOMETRIC}. {_ROUND_TRIP}",
        tolerance="Below 50 % for both protocols: who loses less than half is not hit hard.",
        check=_strong_effect,
    ),
    Claim(
        id="fig10-not-affected-by-loss",
        place="§V-B, Fig. 10",
        figure="10",
        sentence="1 % of loss on the way to the load balancer does not affect MPTCP.",
        paper="",
        quantity="goodput relative to Fig. 7",
        unit="%",
        method="MPTCP, each page size, seed by seed",
        tolerance="At least 95 %: what one reads off a plot.",
        check=_not_affected_by_loss,
        known_reason=Mechanism(
            "A small page is loaded through the director, and a lost SYN costs it a second. Of larger ones one "
            "in a hundred loses its ADD_ADDR, which upstream repeats after a second only, and the paper's scheme on "
            "traffic.",
            figure="join-delay",
            command="testbed run fig10 --scheme paper --scheme upstream",
        ),
    ),
    Claim(
        id="fig10-every-second-subflow",
        place="§V-B, Fig. 10",
        figure="10",
        sentence="In spite of 1 % of loss, every connection gets its second subflow.",
        paper="",
        quantity="connections with a second subflow",
        unit="%",
        method="MP_JOINs that a SYN+ACK answered, in the captures at the client; pooled over seeds, Wilson's interval",
        tolerance="All of them. ab opens some connections that it never uses (connections - requests): so many may be "
        "without.",
        check=_second_subflow,
        known_reason=Mechanism(
            "Upstream repeats a lost ADD_ADDR after a second, when a small page has long been loaded; as in "
            "the paper it is repeated on traffic.",
            figure="join-delay",
            command="testbed run fig10 --scheme paper --scheme upstream",
        ),
    ),
    Claim(
        id="fig11-mptcp-803",
        place="§V-B, Fig. 11",
        figure="11",
        sentence="With 200 ms and 1 % of loss to the load balancer, MPTCP still loads large pages at 803 Mbit/s.",
        paper=f"{FIG11_MPTCP.mbps:g} Mbit/s",
        quantity="goodput",
        unit="Mbit/s",
        method=f"ab, MPTCP, pages of 10 MB. {_ROUND_TRIP}",
        tolerance="Within 20 %: losses are random, and the kernel is another one.",
        check=partial(_about, "11", "mptcp", _LARGEST, _PAPER_MBPS["mptcp"]),
        known_reason=Mechanism(
            "Today's kernel leaves the bytes that it has queued on the initial subflow where they are, and "
            "10 MB wait for the last of them behind round trips of 200 ms (head-of-line blocking).",
            figure="bytes",
            command="testbed run fig11 --scheme paper --scheme upstream",
        ),
    ),
    Claim(
        id="fig11-tcp-16",
        place="§V-B, Fig. 11",
        figure="11",
        sentence="With 200 ms and 1 % of loss to the load balancer, TCP loads large pages at 16 Mbit/s.",
        paper=f"{FIG11_TCP.mbps:g} Mbit/s",
        quantity="goodput",
        unit="Mbit/s",
        method=f"ab, TCP, pages of 10 MB. {_ROUND_TRIP}",
        tolerance="Within 20 %: losses are random, and the kernel is another one.",
        check=partial(_about, "11", "tcp", _LARGEST, _PAPER_MBPS["tcp"]),
        by_scheme=False,
        known_reason=Mechanism(
            "At a round trip of 200 ms and 1 % of loss, Reno's formula (Mathis et al., 1997) gives ten "
            "connections 7 Mbit/s together; CUBIC gets a little more.",
            figure="page-size",
            command="testbed run fig11",
        ),
    ),
    Claim(
        id="fig11-delay-of-the-round-trip",
        place="§V-B, Figs. 9 and 11",
        figure="11",
        sentence="The 200 ms to the load balancer are those of the round trip.",
        paper="",
        quantity="how many times off the paper's goodput, with 200 ms each way / with 200 ms there and back",
        unit="",
        method=f"ab, MPTCP and TCP, pages of 10 MB: Fig. 11 has 100 ms each way, {READINGS} has 200; seed by seed",
        tolerance="Above 1 for both protocols. The paper does not say what its 200 ms are of; the reading that comes "
        "nearer to both of its numbers, 803 and 16 Mbit/s, is the likelier one. It is also what netem makes of 200 ms "
        "at one interface.",
        check=_nearer_as_a_round_trip,
    ),
    Claim(
        id="fig11-latency-matters-more",
        place="§V-B, Figs. 9 to 11",
        figure="11",
        sentence="Latency to the load balancer matters more than loss.",
        paper="",
        quantity="goodput with 200 ms / goodput with 1 % loss, each relative to Fig. 7",
        unit="",
        method=_GEOMETRIC,
        tolerance="Below 1 for both protocols, in every seed.",
        check=_latency_over_loss,
    ),
)
