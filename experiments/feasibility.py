"""Whether what a timetable has happen can be done to the director and the topology: told before anything starts."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.schema import Settings
from testbed.base.parts import Complaint
from testbed.record.events import Kind

_WORDS: dict[Kind, str] = {
    "server-drained": "drain a server",
    "director-back": "come back without the connections that it knew",
    "director-restarted": "start again without the connections that it knew",
}


def check(settings: Settings) -> Iterator[Complaint]:
    """The first change that the director cannot make, or that means nothing to it."""
    topology, director, timetable = settings.topology, settings.director, settings.timetable
    names = [f"s{number}" for number in range(1, topology.servers + 1)]
    key = "events" if "events" in type(timetable).model_fields else "part"
    layout = topology.layout()
    several = len(layout.directors) > 1
    for change in timetable.changes(settings.workload.planned_s, names):
        at = f"at {change.t_s:g} s"
        if director.cannot(change.event):
            yield Complaint(key, f"{at} the director {director.part!r} would have to {_WORDS[change.event]}: it cannot")
            return
        if change.event == "director-restarted" and director.health_check and not director.checks_after_restart:
            what = f"{at} the director {director.part!r} starts again, and drops what servers answer to its checks then"
            yield Complaint(key, what, "leave health_check out")
            return
        if change.event == "path-flipped" and not several and not director.by_order:
            what = f"{at} there are no equal-cost paths to flip: one director, {director.part!r}, decides"
            yield Complaint(key, what, 'several directors, or a router (director = "ecmp")')
            return
        if change.event == "link-cost" and change.link not in {link.name for link in director.routed_links(layout)}:
            yield Complaint(key, f"{at} the link {change.link} has no cost: no routing protocol goes over it")
            return
        if change.event == "director-lost" and _leads_all_answers(settings, change.director):
            what = f"{at} director {change.director} is lost, by which servers answer whoever has asked them"
            yield Complaint(key, what, "lose another one, or have a director that translates, or answers past it")
            return


def _leads_all_answers(settings: Settings, number: int) -> bool:
    """Whether servers send from the service address, and their default route is this one of several directors."""
    topology, director = settings.topology, settings.director
    if topology.answers_past() and not director.carries_answers():
        return False
    layout = topology.layout()
    return any(
        director.socket_address(layout, server) == layout.service
        and server.gateway == layout.several[number - 1].inside
        for server in layout.servers
    )


def check_routing(settings: Settings) -> Iterator[Complaint]:
    """Routers without routing, or a link that has no cost in it."""
    layout, director = settings.topology.layout(), settings.director
    if not layout.routed:
        return
    links = {link.name for link in director.routed_links(layout)}
    if not links:
        what = f"between the routers of {settings.topology.part!r} nobody would find a way"
        yield Complaint("part", what, 'director = "ospf"')


def check_answers(settings: Settings) -> Iterator[Complaint]:
    """A table that has answers go past a director which they come back through."""
    director = settings.director
    if settings.topology.wants_answers_past() and director.carries_answers():
        what = f"what servers answer comes back through the director {director.part!r}, as it is set"
        yield Complaint("answers", what, "leave it out, or take a director that leaves answers to the servers: ipvs-dr")


def check_health_check(settings: Settings) -> Iterator[Complaint]:
    """One that never comes to an answer."""
    check, planned_s = settings.director.health_check, settings.workload.planned_s
    if check and planned_s is not None and check.interval_s + check.answer_s > planned_s:
        what = f"the first check is answered at {check.interval_s + check.answer_s:g} s"
        yield Complaint("health_check", f"{what}, after the workload's end at {planned_s:g} s", "a shorter interval")


def check_middlebox(settings: Settings) -> Iterator[Complaint]:
    """A middlebox in a topology that has no place for it."""
    topology = settings.topology
    if topology.middlebox and not topology.with_a_middle().layout().towards_client:
        yield Complaint(
            "middlebox", f"the topology {topology.part!r} has nothing between the client and everybody else"
        )


def check_announcements(settings: Settings) -> Iterator[Complaint]:
    """What the director has servers announce, only the kernel's path manager can: a port needs its listener there."""
    if settings.director.carries_joins and "mptcp" in settings.protocols and not settings.mptcp.in_kernel:
        what = f"the director {settings.director.part!r} has servers announce a port, for which the kernel listens"
        yield Complaint("path_manager", what, 'path_manager = "kernel"')


def check_protection(settings: Settings) -> Iterator[Complaint]:
    """A protection that keeps away who comes from the director, too, or that the kernel's path manager cannot be."""
    topology, director, protection = settings.topology, settings.director, settings.protection
    if protection.in_user_space and "mptcp" in settings.protocols and settings.mptcp.in_kernel:
        what = f"the protection {protection.part!r} is the path manager in user space"
        yield Complaint("part", what, 'mptcp.path_manager = "userspace"')
        return
    if protection.admits_everyone:
        return
    layout = topology.layout()
    for view in (layout.of(name) for name in layout.directors):
        for place in view.servers:
            if director.socket_address(view, place) == place.unique:
                what = f"the director {director.part!r} sends clients to {place.unique}, {place.name}'s unique address"
                yield Complaint("part", f"{what}, where the protection {protection.part!r} keeps them away")
                return
            if director.health_check and place.address == place.unique:
                what = f"the director's health check opens connections to {place.unique}, {place.name}'s unique address"
                yield Complaint("part", f"{what}, where the protection {protection.part!r} keeps it away")
                return
