"""The claim that the scheme works for uploads, too."""

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
        checks.append(within(f"{name}, goodput", rate, "Mbit/s", "above 100 Mbit/s", low=100.0))
        checks.append(within(f"{name}, past the director", share, "%", "above 50 %", low=50.0))
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
)
