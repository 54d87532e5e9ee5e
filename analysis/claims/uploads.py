"""The claims that the scheme works for uploads, too, whatever the director, and that direct server return does not."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.claims.evidence import (
    Wanted,
    by_seed,
    bypass_percent,
    every_used_connection_joined,
    find,
    goodput_mbps,
    size_name,
    wilson,
    within,
)
from analysis.claims.load_balancer import settings
from analysis.claims.model import Check, Claim
from analysis.summary.model import PointSummary

DIRECTORS = ("NAT", "DR", "TUN, IPIP", "TUN, GRE", "TUN, GUE")
"""The conditions of the experiment `upload-directors`."""
BY_DIRECTOR = "upload-directors"
MIXED_LOAD = "mixed-load"
MIXED = ("NAT", "DR", "TUN, GUE")
"""The conditions of the experiment `mixed-load`."""
_LEAST_OF_LIMIT = 0.9
_LEAST_OF_MIXED_UPLOADS = 0.75

LARGE = (1_000_000, 5_000_000, 10_000_000)
SETTINGS = settings() | {"direction": "upload"}


def _works(points: Sequence[PointSummary]) -> list[Check]:
    found = find(points, Wanted("", "mptcp", SETTINGS, experiment="upload"))
    checks = []
    for size in LARGE:
        name = size_name(size)
        if size not in found:
            checks.append(Check(name, None, bound="", holds=None, why="no valid point"))
            continue
        members = found[size]
        failed = sum(point.failed_requests or 0 for point in members)
        requests = sum(point.complete_requests or 0 for point in members)
        checks.append(Check(f"{name}, failed", wilson(failed, max(requests, failed)), "none", failed == 0))
        checks.append(every_used_connection_joined(members, f"{name}, connections with a second subflow"))
        rate, share = by_seed(members, goodput_mbps), by_seed(members, bypass_percent)
        checks.append(within(f"{name}, goodput", rate, "Mbit/s", "above 100 Mbit/s", above=100.0))
        checks.append(within(f"{name}, past the director", share, "%", "above 50 %", above=50.0))
    return checks


def _by_tcp_through_the_director(points: Sequence[PointSummary]) -> list[Check]:
    return _of_limit(points, "tcp", "the director's link", most_bypass=0.0)


def _past_any_director(points: Sequence[PointSummary]) -> list[Check]:
    checks = _of_limit(points, "mptcp", "the direct path")
    for name, members in _by_director(points, "mptcp").items():
        checks.append(every_used_connection_joined(members, f"{name}, connections with a second subflow"))
    return checks


def _both_ways_at_once(points: Sequence[PointSummary]) -> list[Check]:
    checks = []
    for name, members in _by_director(points, "mptcp", MIXED_LOAD, MIXED).items():
        for what, limit, share, value in (
            ("uploads", members[0].wire_limit_bps, _LEAST_OF_MIXED_UPLOADS, goodput_mbps),
            ("downloads", _limit_past_director_bps(members[0]), _LEAST_OF_LIMIT, _meanwhile_mbps),
        ):
            if limit is None:
                checks.append(Check(f"{name}, {what}", None, bound="", holds=None, why="the wire limit is not known"))
                continue
            least = share * limit / 1e6
            bound = f"at least {least:.0f} Mbit/s, {share:.0%} of the direct path".replace("%", " %", 1)
            checks.append(within(f"{name}, {what}", by_seed(members, value), "Mbit/s", bound, low=least))
    return checks


def _limit_past_director_bps(point: PointSummary) -> float | None:
    """What the wire allows to the client from a server's unique address."""
    limits = (each.wire_limit_bps for each in point.traits.paths if each.past_director)
    return max((each for each in limits if each is not None), default=None)


def _meanwhile_mbps(point: PointSummary) -> float | None:
    return None if point.meanwhile_goodput_bps is None else point.meanwhile_goodput_bps / 1e6


def _by_director(
    points: Sequence[PointSummary], protocol: str, experiment: str = BY_DIRECTOR, directors: Sequence[str] = DIRECTORS
) -> dict[str, list[PointSummary]]:
    """The points of an experiment that speak, by director; raises CannotBeJudged."""
    wanted = Wanted("", protocol, SETTINGS, experiment=experiment)
    found = {}
    for name in directors:
        by_size = find([point for point in points if point.condition == name], wanted)
        found[name] = next(iter(by_size.values()))
    return found


def _of_limit(
    points: Sequence[PointSummary], protocol: str, link: str, most_bypass: float | None = None
) -> list[Check]:
    """Per director: goodput as a share of what the wire allows; with `most_bypass`, how much went past it."""
    checks = []
    for name, members in _by_director(points, protocol).items():
        limit = members[0].wire_limit_bps
        if limit is None:
            checks.append(Check(name, None, bound="", holds=None, why="the wire limit is not known"))
            continue
        least = _LEAST_OF_LIMIT * limit / 1e6
        bound = f"at least {least:.0f} Mbit/s, 90 % of {link}"
        checks.append(within(f"{name}, goodput", by_seed(members, goodput_mbps), "Mbit/s", bound, low=least))
        if most_bypass is not None:
            share = by_seed(members, bypass_percent)
            checks.append(within(f"{name}, past the director", share, "%", f"{most_bypass:g} %", high=most_bypass))
    return checks


CLAIMS = (
    Claim(
        id="works-for-uploads",
        place="§V",
        figure="",
        sentence="The scheme works for uploads as well.",
        paper="",
        quantity="failed uploads, second subflows, goodput, share of the bytes past the director",
        unit="%, Mbit/s",
        method="ab -u (PUT) and captures at the client in the experiment `upload`: Fig. 7 in the other direction, "
        "pages of 1 MB and more",
        tolerance="It works if no upload fails, every used connection gets its second subflow, and it is used: more "
        "goodput than the 100 Mbit/s of the director's link, and more than half of the bytes past the director.",
        check=_works,
    ),
    Claim(
        id="uploads-by-tcp-through-the-director",
        place="§V-B",
        figure="",
        sentence="Direct server return is for answers alone: with any director, an upload by TCP goes through it.",
        paper="",
        quantity="goodput of uploads by TCP, share of the bytes past the director",
        unit="Mbit/s, %",
        method="ab -u (PUT), pages of 1 MB, by NAT, direct routing and tunnels; experiment `upload-directors`",
        tolerance="At least 90 % of the wire limit of the director's link, which is for the pages that ab has under "
        "way at its end and does not count; and not a byte past the director.",
        check=_by_tcp_through_the_director,
    ),
    Claim(
        id="uploads-past-any-director",
        place="§V-B",
        figure="",
        sentence="The scheme works in both directions: with any director, uploads fill the path past it.",
        paper="",
        quantity="goodput of uploads by MPTCP, second subflows",
        unit="Mbit/s, %",
        method="ab -u (PUT), pages of 1 MB, by NAT, direct routing and tunnels; experiment `upload-directors`",
        tolerance="At least 90 % of the wire limit of the direct path; and every used connection gets its second "
        "subflow.",
        check=_past_any_director,
    ),
    Claim(
        id="both-ways-at-once-past-any-director",
        place="§V-B",
        figure="",
        sentence="The scheme works in both directions at once: with any director, uploads and downloads fill the path "
        "past it.",
        paper="",
        quantity="goodput of uploads, and of the downloads meanwhile, by MPTCP",
        unit="Mbit/s",
        method="ab -u (PUT), ten pages of 1 MB at a time, and ten downloads of 2 MB meanwhile, by NAT, direct routing "
        "and a tunnel; experiment `mixed-load`",
        tolerance="At least 90 % of the wire limit of the direct path for downloads, 75 % for uploads: the downloads' "
        "ACKs take 3 % of that way, the pages that ab has under way at its end and does not count 5 %, and the rest is "
        "for ten new connections at a time that start slowly beside ACKs that wait in queues.",
        check=_both_ways_at_once,
    ),
)
