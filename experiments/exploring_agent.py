"""Explores one connection inside a lab: `python -m experiments.exploring_agent`.

What to do is in `$TESTBED_OUT/exploration.json`. The set-up is built once, with no segmentation offload on any host;
each case is a connection of its own in it, and leaves a line in `cases.jsonl`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from experiments.changes import Changes
from experiments.composition import Parts, load_code, parts_of
from experiments.exploration.cases import Cases
from experiments.exploration.download import Target
from experiments.record import Events, write
from experiments.stage import Stage, path_managers, stage
from experiments.web_servers import WebServers
from testbed.base.errors import TestbedError
from testbed.base.families import family_of
from testbed.net import fault_injection, offload, sysctl
from testbed.net.netns import Node
from testbed.network import WORK
from testbed.process import CommandLog, run
from testbed.record import exploration as record
from testbed.record import model
from testbed.record.exploration import Captures, Case, PathPlace, Request
from testbed.record.point import Point
from testbed.timer import Timer
from testbed.tools import lighttpd, tcpdump

_WARM_UP = Case(id="warm-up")
_NO_MEMORY = {"net.ipv4.tcp_no_metrics_save": 1}
"""What a connection has learnt of a path is no other's to know: each is the first."""


def explore(request: Request, point: Point, parts: Parts, out: Path) -> None:
    """Build the set-up, and run the cases in it; raises `TestbedError`."""
    log = CommandLog()
    with ExitStack() as stack:
        ready = stack.enter_context(stage(point, parts, log, single_packets=True))
        stack.enter_context(path_managers(point, ready, out))
        hosts = [ready.client, *(server.node for server in ready.servers)]
        for host in hosts:
            sysctl.put(host, _NO_MEMORY)
        page = lighttpd.generate_file(WORK / "pages", point.object_bytes)
        running = stack.enter_context(ExitStack())
        programs = WebServers(ready, running, mptcp=point.protocol == "mptcp", uploads=False)
        target = _target(point, ready, page)
        programs.start_all()
        delays = {round(fault.delay_s * 1e9) for case in request.cases for fault in case.faults if fault.delay_s}
        places = [(ready.network[node], interface) for node, interface in ready.layout.towards_client]
        injector = stack.enter_context(fault_injection.injecting(places, sorted(delays), WORK, log=log))
        events = Events(stack.enter_context((WORK / "events.jsonl").open("w")))
        events.start()
        changes = Changes(ready, events, programs)
        cases = Cases(ready, injector, changes, target, seed=point.seed, bound_s=request.bound_s)
        timer = stack.enter_context(Timer())
        cases.run(_WARM_UP, timer)
        for node in ready.network.nodes.values():
            _know_neighbours(node, log)
        offloads = {node.name: dict(_offloads(node)) for node in hosts}
        with ExitStack() as capturing:
            near, far = _captures(capturing, ready, out, log) if request.capture else ([], [])
            _run_all(request.cases, cases, timer, out)
        write(
            out / record.CAPTURES,
            Captures(
                places=tuple(PathPlace(node=node, interface=at) for node, at in ready.layout.towards_client),
                near=tuple(each.file.name for each in near),
                far=tuple(each.file.name for each in far),
                dropped=sum(each.dropped for each in (*near, *far)),
                offloads=offloads,
            ),
        )


def _run_all(wanted: Sequence[Case], cases: Cases, timer: Timer, out: Path) -> None:
    with (out / record.CASES).open("w") as file:
        for number, case in enumerate(wanted, start=1):
            file.write(cases.run(case, timer).line())
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


def _target(point: Point, ready: Stage, page: str) -> Target:
    service, mapped = ready.layout.service, ready.parts.topology.client_family == "ipv6"
    address = f"::ffff:{service}" if mapped and family_of(service) == "ipv4" else service
    content = (WORK / "pages" / page).read_bytes()
    return Target(address, ready.layout.port, mapped, point.protocol == "mptcp", page, content)


def _captures(
    stack: ExitStack, ready: Stage, out: Path, log: CommandLog
) -> tuple[list[tcpdump.Capture], list[tcpdump.Capture]]:
    """The captures at the client, and those at the servers."""
    near = stack.enter_context(tcpdump.capturing(ready.client, ready.layout.client_interfaces, out, log=log))
    far = []
    for server in ready.servers:
        interfaces = _interfaces(server.node)
        far += stack.enter_context(tcpdump.capturing(server.node, interfaces, out, log=log))
    return near, far


def _interfaces(node: Node) -> list[str]:
    """A node's ends of the topology's links, by Mininet's names."""
    names = (line.split(":")[0].strip() for line in node.read("dev").splitlines()[2:])
    return sorted(name for name in names if name.startswith(f"{node.name}-eth"))


def _offloads(node: Node) -> Iterator[tuple[str, str]]:
    """That offloads are off, interface by interface; raises `ReadbackError` where one is not."""
    for interface in _interfaces(node):
        for feature, state in offload.require_off(node, interface).items():
            yield f"{interface} {feature}", state


def _know_neighbours(node: Node, log: CommandLog) -> None:
    """The link-layer addresses that the node has learnt are its own from now on: it asks nobody again."""
    known = json.loads(run(node.enter("ip", "-j", "neighbour", "show"), log=log).stdout or "[]")
    lines = [
        f"neighbour replace {each['dst']} lladdr {each['lladdr']} dev {each['dev']} nud permanent"
        for each in known
        if "lladdr" in each and "router" not in each
    ]
    if lines:
        run(node.enter("ip", "-batch", "-"), stdin="".join(f"{line}\n" for line in lines), log=log)


def main() -> int:
    """Exit status: 0, or the error's own."""
    out = Path(os.environ["TESTBED_OUT"])
    try:
        request = model.read(Request, out / record.REQUEST)
        point = Point.from_json(json.dumps(request.point))
        load_code(point, out)
        parts = parts_of(point)
        with parts.explained():
            explore(request, point, parts, out)
    except TestbedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
