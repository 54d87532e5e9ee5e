"""Claims on downloads from anycast servers that come and go (section V-C, Figs. 13 and 14)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from analysis.claims.evidence import Wanted, find, over_seeds, wilson, within
from analysis.claims.model import CannotBeJudged, Check, Claim, Estimate, Mechanism
from analysis.summary.model import PointSummary, SecondBySecond
from analysis.summary.paper_values import FIG13_ALL_SERVERS, FIG13_ONE_SERVER_OUT, FIG14_MPTCP

REMOVED, ADDED = "server-removed", "server-added"
SETTINGS = {
    "concurrency": 300,
    "servers": 3,
    "duration_s": 120,
    "client_rate_bps": 10**10,
    "server_rate_bps": 10**9,
    "cycle_s": 15,
    "up_s": 10,
}
CHANGES = 16

# Slow start of 300 connections, or of those that a change has broken: over in less.
_SETTLED_S = 2

# A RST follows the first packet that reaches a server which does not know the connection.
_OUTCOME_S = 2

Points = Sequence[PointSummary]


def _series(points: Points, figure: str, protocol: str) -> dict[int, tuple[PointSummary, SecondBySecond]]:
    found = find(points, Wanted(figure, protocol, SETTINGS))
    members = [point for members in found.values() for point in members]
    series = {point.seed: (point, point.per_second) for point in members if point.per_second is not None}
    if not series:
        raise CannotBeJudged(f"Fig. {figure}: the points have no values per second")
    return series


def _plateaus(points: Points) -> list[Check]:
    checks = []
    for out, paper_mbps in enumerate((FIG13_ALL_SERVERS.mbps, FIG13_ONE_SERVER_OUT.mbps)):
        low, high = 0.95 * paper_mbps, 1.05 * paper_mbps
        label = "all servers" if out == 0 else "one server out"
        values = {}
        for seed, (_, series) in _series(points, "13", "tcp").items():
            settled = [series.utilisation_bps[second] for second in _settled(series, out)]
            if settled:
                values[seed] = median(settled) / 1e6
        checks.append(within(label, values, "Mbit/s", f"{low:.0f} to {high:.0f} Mbit/s", low=low, high=high))
    return checks


def _settled(series: SecondBySecond, servers_out: int) -> list[int]:
    """Seconds throughout which so many servers were out, some time after the last change."""
    found = []
    for second in range(len(series.utilisation_bps)):
        out = sum({REMOVED: 1, ADDED: -1}.get(change.event, 0) for change in series.churn if change.t <= second)
        quiet = not any(second - _SETTLED_S < change.t < second + 1 for change in series.churn)
        if second >= _SETTLED_S and quiet and out == servers_out:
            found.append(second)
    return found


def _traced(series: SecondBySecond, event: str) -> list[int]:
    """RSTs behind each change of this kind that the workload saw the outcome of."""
    last_s = len(series.resets_received) - _OUTCOME_S
    return [change.resets or 0 for change in series.churn if change.event == event and change.t <= last_s]


def _untraced(series: SecondBySecond) -> int:
    """RSTs that reached the client with no change behind them."""
    return sum(series.resets_received) - sum(change.resets or 0 for change in series.churn)


def _with_traced_resets(points: Points) -> dict[int, SecondBySecond]:
    found = {seed: series for seed, (_, series) in _series(points, "13", "tcp").items()}
    if any(change.resets is None for series in found.values() for change in series.churn):
        raise CannotBeJudged("Fig. 13: the RSTs are not traced to the changes: analyse the run again")
    return found


def _resets_on_both(points: Points) -> list[Check]:
    checks = []
    every = list(_with_traced_resets(points).values())
    changes = sum(len(series.churn) for series in every)
    # A share of a RST: what is seen after the last whole second is traced, but in no second.
    others = max(sum(_untraced(series) for series in every), 0) / changes if changes else 0.0
    for event, label in ((REMOVED, "RSTs per removal"), (ADDED, "RSTs per addition")):
        counts = [count for series in every for count in _traced(series, event)]
        least = max(10 * others, 1.0)
        bound = f"at least {least:.3g} (10 times the {others:.3g} a change that have no change behind them)"
        if not counts:
            checks.append(Check(label, None, bound=bound, holds=None, why="there was no such change"))
            continue
        seeds = "one seed" if len(every) == 1 else f"{len(every)} seeds"
        spread = f"{len(counts)} changes of {seeds}"
        estimate = Estimate(value=fmean(counts), low=min(counts), high=max(counts), unit="RSTs", basis=spread)
        checks.append(Check(label, estimate, bound, fmean(counts) >= least))
    return checks


def _more_on_removal(points: Points) -> list[Check]:
    values = {}
    for seed, series in _with_traced_resets(points).items():
        removal, addition = (_traced(series, event) for event in (REMOVED, ADDED))
        if removal and addition and sum(addition):
            values[seed] = fmean(removal) / fmean(addition)
    return [within("RSTs per removal / RSTs per addition", values, "", "above 1", above=1.0)]


def _no_failure(points: Points) -> list[Check]:
    """No more failures than there are connections without a second subflow: the scheme has nothing for these."""
    members = [point for point, _ in _series(points, "14", "mptcp").values()]
    fewest = min(len(point.per_second.churn) if point.per_second else 0 for point in members)
    if fewest < CHANGES:
        raise CannotBeJudged(f"Fig. 14: only {fewest} of {CHANGES} changes")
    if any(point.failed_requests is None or point.complete_requests is None for point in members):
        raise CannotBeJudged("Fig. 14: a point without ab's totals")
    if any(point.connections is None or point.joined is None for point in members):
        raise CannotBeJudged("Fig. 14: a point whose connections are not counted")
    failed = sum(point.failed_requests or 0 for point in members)
    alone = sum((point.connections or 0) - (point.joined or 0) for point in members)
    # ab counts broken requests among the complete ones.
    requests = max(sum(point.complete_requests or 0 for point in members), failed)
    bound = f"no more than the {alone} connections that had no second subflow"
    return [Check("failed requests", wilson(failed, requests), bound, failed <= alone)]


def _flat(points: Points) -> list[Check]:
    values = {}
    for seed, (_, series) in _series(points, "14", "mptcp").items():
        settled = series.utilisation_bps[_SETTLED_S:]
        if settled:
            values[seed] = min(settled) / 1e6
    low = 0.95 * FIG14_MPTCP.mbps
    bound = f"at least {low:.0f} Mbit/s in every second of every seed"
    if not values:
        return [Check("slowest second", None, bound=bound, holds=None, why="no whole second")]
    return [Check("slowest second", over_seeds(values, "Mbit/s"), bound, min(values.values()) >= low)]


_RESETS_METHOD = (
    "RSTs that reach the client in the workload, each traced by the table of RSTs to the change behind it: to the "
    "removal of the flow's own server while it is out, else to the last change before. A change in the workload's last "
    f"{_OUTCOME_S} s is left out"
)

CLAIMS = (
    Claim(
        id="fig13-plateaus",
        place="§V-C, Fig. 13",
        figure="13",
        sentence="TCP's downloads fill the three servers' links, and two of them while a server is out.",
        paper=f"{FIG13_ALL_SERVERS.mbps:g} and {FIG13_ONE_SERVER_OUT.mbps:g} Mbit/s",
        quantity="payload that reaches the client in a second",
        unit="Mbit/s",
        method=f"median over the seconds that lie {_SETTLED_S} s and more after a change",
        tolerance="Within 5 %: the paper's figures are read off a plot.",
        check=_plateaus,
        by_scheme=False,
    ),
    Claim(
        id="fig13-resets-on-both",
        place="§V-C, Fig. 13",
        figure="13",
        sentence="Removing a server makes RSTs, and so does adding one.",
        paper="",
        quantity="RSTs per change",
        unit="RSTs",
        method=_RESETS_METHOD,
        tolerance="At least ten times as many as there are, a change, with no change behind them (one at least): by "
        "chance there are none.",
        check=_resets_on_both,
        by_scheme=False,
    ),
    Claim(
        id="fig13-more-resets-on-removal",
        place="§V-C, Fig. 13",
        figure="13",
        sentence="There are more RSTs when a server is removed than when one is added.",
        paper="",
        quantity="RSTs per removal / RSTs per addition",
        unit="",
        method=_RESETS_METHOD,
        tolerance="Above 1 in every seed.",
        check=_more_on_removal,
        by_scheme=False,
    ),
    Claim(
        id="fig14-no-failure",
        place="§V-C, Fig. 14",
        figure="14",
        sentence="With MPTCP no download that has its second subflow fails in 16 changes of the servers.",
        paper="0 failures",
        quantity="requests that failed",
        unit="%",
        method="ab's failure counters, each request counted once, and the connections without a second subflow; pooled "
        "over seeds, Wilson's interval",
        tolerance="None beyond the connections without a second subflow: one whose first round trip meets a change of "
        "route has only the anycast address yet, where another server answers it with a RST (docs/speed.md).",
        check=_no_failure,
    ),
    Claim(
        id="fig14-2800-throughout",
        place="§V-C, Fig. 14",
        figure="14",
        sentence="With MPTCP the downloads keep to 2.8 Gbit/s throughout.",
        paper=f"{FIG14_MPTCP.mbps / 1000:g} Gbit/s",
        quantity="payload that reaches the client in the slowest second",
        unit="Mbit/s",
        method=f"minimum over all whole seconds but the first {_SETTLED_S}, in which 300 connections start",
        tolerance="Within 5 % of the paper's figure, which is read off a plot, in every second of every seed (the "
        "wire limit is 2770 Mbit/s here, because of MPTCP version 1's options).",
        check=_flat,
        known_reason=Mechanism(
            "300 equal downloads that share links fairly end at the same time; a server whose downloads all end "
            "while it is out has nothing to send until others end. Nothing fails; one seed in ten has such a spell.",
            figure="timeline",
            command="testbed run fig14 --repeat 10",
        ),
    ),
)
