"""Claims on what section II argues with: proxies, a balancer that knows MPTCP, server numbers in TCP's timestamps.

The points are those of the experiment `rivals`: a cell for each balancer and each thing that happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.claims import balancers
from analysis.claims.cells import SCHEME, TCP, Points, cells, changes_in, joined_and_broken
from analysis.claims.evidence import wilson
from analysis.claims.model import CannotBeJudged, Check, Claim, Estimate
from analysis.summary.model import Balancing, PointSummary

EXPERIMENT = "rivals"
NAT, SERVER_ID, FIXED, AWARE = "NAT, rr", "server id", "server id, fixed place", "MPTCP-aware"
PROXIES = ("HAProxy", "nginx")
NOTHING, ADDED, RESTARTED, LOST = "nothing happens", "server added", "director restarted", "director lost"
ALTERED, MOVED = "timestamps altered", "options moved"
_MOST_PERCENT = 75.0


def _cell(points: Points, event: str, variant: str, balancer: str) -> list[PointSummary]:
    """The valid points of one balancer, with their figures on balancing; raises CannotBeJudged."""
    found = cells(points, EXPERIMENT, balancers.SETTINGS, event, variant).get(balancer, [])
    if not found:
        raise CannotBeJudged(f"{EXPERIMENT}, {event}, {variant}: no valid point of {balancer}")
    return found


def _balanced(points: Iterable[PointSummary]) -> list[Balancing]:
    return [point.balancing for point in points if point.balancing]


def _broken_at_changes(points: Iterable[PointSummary]) -> int:
    return sum(change.broken + change.broken_new for point in points for change in changes_in(point))


def _some(label: str, points: Sequence[PointSummary], broken: int) -> Check:
    """That so many of all their connections broke, and not none."""
    return Check(label, wilson(broken, max(_connections(points), broken)), "some", broken > 0)


def _none(label: str, points: Sequence[PointSummary], broken: int) -> Check:
    return Check(label, wilson(broken, max(_connections(points), broken)), "none", broken == 0)


def _connections(points: Iterable[PointSummary]) -> int:
    found = sum(point.connections or 0 for point in points)
    if not found:
        raise CannotBeJudged(f"{EXPERIMENT}: no connection was counted")
    return found


def _all_broken(points: Iterable[PointSummary]) -> int:
    return sum(each.broken for each in _balanced(points))


def _number_keeps_connections(points: Points) -> list[Check]:
    reference = _cell(points, LOST, TCP, NAT)
    checks = [_some(f"{NAT}, TCP, {LOST}", reference, _broken_at_changes(reference))]
    for event in (ADDED, RESTARTED, LOST):
        for variant in (TCP, SCHEME):
            found = _cell(points, event, variant, SERVER_ID)
            checks.append(_none(f"{SERVER_ID}, {variant}, {event}", found, _all_broken(found)))
    return checks


def _middlebox_breaks_numbers(points: Points) -> list[Check]:
    rival, scheme = _cell(points, ALTERED, TCP, SERVER_ID), _cell(points, ALTERED, SCHEME, NAT)
    without = _cell(points, LOST, TCP, SERVER_ID)
    before = sum(each.broken_before for each in _balanced(scheme))
    return [
        _some(f"{SERVER_ID}, TCP, {ALTERED}", rival, _all_broken(rival)),
        _none(f"{SERVER_ID}, TCP, without it", without, _all_broken(without)),
        _none(f"{NAT}, the paper's scheme, before the change", scheme, before),
        joined_and_broken(f"{NAT}, the paper's scheme, joined and broken", scheme),
    ]


def _position_matters(points: Points) -> list[Check]:
    moved, plain = _cell(points, MOVED, TCP, FIXED), _cell(points, ADDED, TCP, FIXED)
    careful = _cell(points, MOVED, TCP, SERVER_ID)
    return [
        _some(f"{FIXED}, {MOVED}", moved, _all_broken(moved)),
        _none(f"{FIXED}, as Linux writes them", plain, _all_broken(plain)),
        _none(f"{SERVER_ID}, {MOVED}", careful, _all_broken(careful)),
    ]


def _proxies_carry_everything(points: Points) -> list[Check]:
    checks = []
    for proxy in PROXIES:
        found = _cell(points, NOTHING, SCHEME, proxy)
        shares = [point.director_bypass_share for point in found if point.director_bypass_share is not None]
        if not shares:
            checks.append(Check(proxy, None, bound="0 %", holds=None, why="not measured"))
            continue
        most = 100 * max(shares)
        checks.append(Check(proxy, Estimate(most, most, most, "%", "past the proxy"), "0 %", most == 0))
    return checks


def _restart_ends_all(points: Points) -> list[Check]:
    checks = [_most(f"{proxy}, TCP, broken", _cell(points, RESTARTED, TCP, proxy)) for proxy in PROXIES]
    return [*checks, joined_and_broken(f"{NAT}, the paper's scheme", _cell(points, RESTARTED, SCHEME, NAT))]


def _most(label: str, points: Sequence[PointSummary]) -> Check:
    """That most of what was under way broke at the change."""
    bound = f"{_MOST_PERCENT:g} % at least"
    under_way = sum(each.under_way or 0 for each in _balanced(points))
    if not under_way:
        return Check(label, None, bound=bound, holds=None, why="nothing was under way")
    broken = sum(change.broken for point in points for change in changes_in(point))
    share = wilson(min(broken, under_way), under_way)
    return Check(label, share, bound, share.value >= _MOST_PERCENT)


def _state_is_all_it_has(points: Points) -> list[Check]:
    quiet = _balanced(_cell(points, NOTHING, TCP, AWARE))
    entries = sum(each.director_entries or 0 for each in quiet)
    found, numbered = _cell(points, RESTARTED, TCP, AWARE), _balanced(_cell(points, NOTHING, TCP, SERVER_ID))
    none = sum(each.director_entries or 0 for each in numbered)
    return [
        Check(f"{AWARE}, entries", Estimate(entries, entries, entries, "entries", "most"), "some", entries > 0),
        Check(f"{SERVER_ID}, entries", Estimate(none, none, none, "entries", "most"), "none", none == 0),
        _some(f"{AWARE}, TCP, {RESTARTED}", found, _broken_at_changes(found)),
        joined_and_broken(f"{NAT}, the paper's scheme", _cell(points, RESTARTED, SCHEME, NAT)),
    ]


_METHOD = "experiment `rivals`: fifteen downloads of 3 MB at a time for 15 s, four servers, all links at 50 Mbit/s"

CLAIMS = (
    Claim(
        id="server-number-keeps-connections",
        place="§II",
        figure="",
        sentence="With the server's number in TCP's timestamps, connections stay at their servers without any state.",
        paper="",
        quantity="connections that broke when a server was added, or a director was lost or started again",
        unit="%",
        method=_METHOD + "; something happens at 6 s",
        tolerance="None may break; and some of TCP's with the paper's balancer must, or losing a director would be no "
        "test.",
        check=_number_keeps_connections,
        by_scheme=False,
    ),
    Claim(
        id="middlebox-breaks-server-number",
        place="§II",
        figure="",
        sentence="A middlebox that alters TCP's timestamps breaks connections whose balancer reads them, and none of "
        "the paper's.",
        paper="",
        quantity="connections that broke behind a middlebox that adds an offset to what servers send, flow by flow",
        unit="%",
        method=_METHOD + ", two directors, one of which is lost at 6 s, with the middlebox next to the client, and "
        "without",
        tolerance="Some must break with the number, and none without the middlebox; of the scheme's none before the "
        "change, and none at it whose second subflow was confirmed.",
        check=_middlebox_breaks_numbers,
        by_scheme=False,
    ),
    Claim(
        id="option-position-matters",
        place="§II",
        figure="",
        sentence="A balancer that looks for TCP options at one place fails where they are at another.",
        paper="",
        quantity="TCP downloads that broke when a server was added, with timestamps behind the client's other options",
        unit="%",
        method=_METHOD + ", a fourth server is added at 6 s",
        tolerance="Some must break where the place is fixed, and none where options are read one by one, or are where "
        "Linux writes them.",
        check=_position_matters,
        by_scheme=False,
    ),
    Claim(
        id="proxies-carry-all-bytes",
        place="§II",
        figure="",
        sentence="A proxy carries all bytes of a connection, whatever its servers announce.",
        paper="",
        quantity="share of the payload that came past the proxy, with the paper's scheme at the servers",
        unit="%",
        method=_METHOD + ", nothing happens",
        tolerance="None: the client speaks with the proxy, and what servers announce reaches the proxy alone.",
        check=_proxies_carry_everything,
        by_scheme=False,
    ),
    Claim(
        id="proxy-restart-ends-all",
        place="§II",
        figure="",
        sentence="A proxy that starts again ends the connections that it has, where the scheme's go on.",
        paper="",
        quantity="downloads under way that broke when the balancer was started again",
        unit="%",
        method=_METHOD + ", the balancer is killed and started at 6 s",
        tolerance="75 % at least by TCP: what is left of a download may be in the kernel's buffer already. Of the "
        "scheme's whose second subflow was confirmed, none.",
        check=_restart_ends_all,
        by_scheme=False,
    ),
    Claim(
        id="state-is-all-it-has",
        place="§II",
        figure="",
        sentence="A balancer that follows MPTCP's connections keeps state of each, and a lost state breaks them.",
        paper="",
        quantity="entries of connections kept, and TCP downloads that broke when the balancer was started again",
        unit="%",
        method=_METHOD + ", the balancer is started again at 6 s",
        tolerance="Entries, and none with the server's number; some of TCP's downloads break, and none of the scheme's "
        "whose second subflow was confirmed.",
        check=_state_is_all_it_has,
        by_scheme=False,
    ),
)
