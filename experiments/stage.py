"""A point on stage: its set-up built, every role configured and read back, the workload measured.

What differs between experiments is in their parts (`experiments.composition`); what is here is done to all of them.
"""

from __future__ import annotations

import contextlib
import filecmp
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.composition import Parts, mptcp_of
from experiments.record import Events, write, write_list
from experiments.workloads.base import Scene
from testbed.base.errors import ReadbackError
from testbed.base.needs import sysctl as sysctl_need
from testbed.lab_clock import start_afresh
from testbed.net import loss_injection, mptcp, netem, queues, routing, sysctl
from testbed.net.counters import protocol_counters
from testbed.net.netns import Node
from testbed.network import NEEDS as NETWORK_NEEDS
from testbed.network import Network, running
from testbed.process import CommandLog
from testbed.record import addresses, captures, counters, events, uploads
from testbed.record import loss_injection as losses
from testbed.record.addresses import AddressPlan, ServerAddresses, Service
from testbed.record.captures import ServerCapture
from testbed.record.counters import Counters
from testbed.record.loss_injection import InjectedLosses
from testbed.record.point import Point
from testbed.record.uploads import Uploads
from testbed.sampler import Action, Sampler
from testbed.tools import apache_bench, lighttpd, path_manager, tcpdump
from topologies.layout import Layout, ServerPlace

# The kernel's own sizes but for the maximum, which is so large that a window never limits a download: 100 Mbit/s over
# a 400 ms round trip are 5 MB in flight, and a slow path may hold up the reassembly of a fast one (head-of-line
# blocking). What a server may queue on the initial subflow before another is up depends on wmem's second number.
BUFFERS = {
    "net.ipv4.tcp_rmem": "4096 131072 67108864",
    "net.ipv4.tcp_wmem": "4096 16384 67108864",
}
# One client address makes thousands of connections to one service address.
PORTS = {"net.ipv4.ip_local_port_range": "10000 65000"}
NEEDS = frozenset(
    {
        *NETWORK_NEEDS,
        lighttpd.NEED,
        apache_bench.NEED,
        tcpdump.NEED,
        *(sysctl_need(name, purpose="buffers of sockets") for name in BUFFERS),
        *(sysctl_need(name, purpose="many connections of one client") for name in PORTS),
    }
)
"""What every point needs, whatever it is made of."""

WORK = Path("/tmp/testbed")
# What is under way at the workload's end arrives in less, and so do the answers to it.
_AFTERMATH_S = 1.0


@dataclass(frozen=True)
class Server:
    """A server's place and its node; `local` is the address that its socket sees for the initial subflow."""

    place: ServerPlace
    node: Node
    local: str

    @property
    def unique(self) -> str:
        """The unique address that it advertises."""
        return self.place.unique


@dataclass(frozen=True)
class Stage:
    """The network with every role configured, ready for a workload."""

    parts: Parts
    layout: Layout
    network: Network
    client: Node
    servers: tuple[Server, ...]
    client_addresses: tuple[str, ...]
    settings: dict[str, Any]
    injector: loss_injection.Injector | None = None


@contextlib.contextmanager
def stage(point: Point, parts: Parts, log: CommandLog) -> Iterator[Stage]:
    """The point's set-up with every role configured and read back."""
    director, layout = parts.director, parts.topology.layout()

    def framing(one: str, other: str) -> netem.Framing:
        return "packets" if layout.is_lossy(one, other) else "bursts"

    with running(layout.topo, framing, log) as network, losing(point, network, layout.towards_client) as injector:
        client = network[layout.client]
        director.prepare(network, layout)
        if layout.client_gateway:
            routing.default_via(client, layout.client_gateway)
        for place in layout.servers:
            director.prepare_server(network, layout, place)
            routing.default_via(network[place.name], place.gateway)
            if way := place.own_way:
                routing.from_address(network[place.name], place.unique, way.interface, way.network)
        servers = tuple(
            Server(place, network[place.name], director.socket_address(layout, place)) for place in layout.servers
        )
        settings = configure_hosts(point, client, servers, second_address=layout.client_second_address)
        settings |= director.serve(network, layout, point.seed)
        if own := sysctls_of(point, director.role):
            settings[layout.director] = {"sysctl": sysctl.put(network[layout.director], own)}
        settings["links"] = network.links
        addresses = layout.client_addresses
        if _has_second_address(point):
            addresses = (*addresses, layout.client_second_address)
        yield Stage(parts, layout, network, client, servers, addresses, settings, injector)


def drive(point: Point, ready: Stage, out: Path) -> None:
    """Run the workload to its end, and what the timetable says meanwhile."""
    write_addresses(ready, out)
    with measured(point, ready, out) as scene:
        ready.parts.workload.drive(scene)


def _changes(ready: Stage, events: Events) -> list[Action]:
    """The timetable's changes of the pool."""
    parts, layout = ready.parts, ready.layout
    pool = {place.name: True for place in layout.servers}

    def change(event: str, server: str) -> Callable[[], None]:
        def act() -> None:
            pool[server] = event == "server-added"
            parts.director.set_pool(ready.network, layout, [place for place in layout.servers if pool[place.name]])
            events.add(event, server=server)

        return act

    changes = parts.timetable.changes(parts.workload.planned_s, list(pool))
    return [Action(each.t_s, change(each.event, each.server)) for each in changes]


def configure_hosts(point: Point, client: Node, servers: Sequence[Server], *, second_address: str) -> dict[str, Any]:
    """Buffers, extra sysctls and (for MPTCP) the path manager of client and servers; what reads back.

    A client that has an endpoint of its own gets `second_address` for it, on its first interface.
    """
    extra = point.sysctl
    of_client = {**BUFFERS, **PORTS, **extra, **sysctls_of(point, "client")}
    settings: dict[str, Any] = {client.name: {"sysctl": sysctl.put(client, of_client)}}
    for server in servers:
        of_server = {**BUFFERS, **extra, **sysctls_of(point, "server")}
        settings[server.node.name] = {"sysctl": sysctl.put(server.node, of_server)}
    if point.protocol == "mptcp":
        wanted = mptcp_of(point)
        if wanted.has_second_address:
            routing.add_address(client, f"{client.name}-eth0", second_address, 32)
        settings[client.name]["mptcp"] = mptcp.configure_client(client, wanted, second_address=second_address)
        for server in servers:
            found = mptcp.configure_server(server.node, wanted, local=server.local, unique=server.unique)
            settings[server.node.name]["mptcp"] = found
    return settings


def sysctls_of(point: Point, role: str) -> Mapping[str, str | int]:
    """The extra sysctls of the nodes with a role."""
    return point.sysctl_of.get(role, {})


@contextlib.contextmanager
def path_managers(point: Point, stage: Stage, out: Path) -> Iterator[None]:
    """The daemons of `path_manager = "userspace"`, one a server, until the block ends; their journals in `out`."""
    wanted = mptcp_of(point)
    with ExitStack() as stack:
        if point.protocol == "mptcp" and not wanted.in_kernel:
            for server in stage.servers:
                daemon = path_manager.managing(
                    server.node,
                    server.unique,
                    out,
                    backup=wanted.initial_backup or wanted.lb_mode != "off",
                    close_initial=wanted.lb_mode == "close",
                    repeat_s=wanted.repeat_announce_s,
                    log=stage.network.log,
                )
                stack.enter_context(daemon)
        yield


def _has_second_address(point: Point) -> bool:
    return point.protocol == "mptcp" and mptcp_of(point).has_second_address


@contextlib.contextmanager
def losing(
    point: Point, network: Network, places: Sequence[tuple[str, str]]
) -> Iterator[loss_injection.Injector | None]:
    """The point's injector of packet losses at `places` (node and interface), or None if it has none."""
    if point.drop is None:
        yield None
        return
    nodes = [(network[node], interface) for node, interface in places]
    with loss_injection.injecting(nodes, point.drop.packet, point.drop.occurrence, WORK, log=network.log) as injector:
        yield injector


def write_addresses(stage: Stage, out: Path) -> None:
    """addresses.json: which address is whose."""
    plan = AddressPlan(
        client=stage.client_addresses,
        service=Service(address=stage.layout.service, port=stage.layout.port),
        servers={s.node.name: ServerAddresses(unique=s.unique, local=s.local) for s in stage.servers},
    )
    write(out / addresses.FILE, plan)


def _witnessing(server: Node, out: Path, log: CommandLog) -> contextlib.AbstractContextManager[list[tcpdump.Capture]]:
    """The capture of SYNs and RSTs at a server's interface to the service."""
    return tcpdump.capturing(
        server,
        [f"{server.name}-eth0"],
        out,
        log=log,
        what=tcpdump.OPENINGS_AND_RESETS,
        buffer_kib=tcpdump.SMALL_BUFFER_KIB,
    )


@contextlib.contextmanager
def measured(point: Point, stage: Stage, out: Path) -> Iterator[Scene]:
    """Servers up and probed, captures on, counters read before and after, samples and events open.

    The counters are read a third time when what the workload's end set off is over, while the captures go on (orphaned
    connections retransmit for minutes, so there may be no moment without packets). Where several servers share an
    address, the SYNs and RSTs at each of them are captured too: nothing else says which of them one came to, or from.

    Of uploads, what the servers have stored is compared with what was sent; raises `ReadbackError` where it differs.
    In virtual time the block starts at a whole second, with fresh random numbers.
    """
    log = stage.network.log
    is_upload = stage.parts.workload.sender == "client"
    nodes = [stage.client, *(server.node for server in stage.servers)]
    with ExitStack() as stack:
        WORK.mkdir(parents=True, exist_ok=True)
        name = lighttpd.generate_file(WORK / "pages", point.object_bytes)
        roots = [WORK / (f"uploads-{s.node.name}" if is_upload else "pages") for s in stage.servers]
        for server, root in zip(stage.servers, roots, strict=True):
            lighttpd.generate_file(root, 1)
            stack.enter_context(
                lighttpd.serving(
                    server.node,
                    root,
                    stage.layout.port,
                    WORK,
                    mptcp=point.protocol == "mptcp",
                    uploads=is_upload,
                    log=log,
                )
            )
            apache_bench.probe(stage.client, f"http://{server.unique}:{stage.layout.port}/1.bin", log=log)
        apache_bench.probe(stage.client, f"http://{stage.layout.service}:{stage.layout.port}/1.bin", log=log)
        samples = stack.enter_context((out / counters.SAMPLES).open("w"))
        happened = Events(stack.enter_context((out / events.FILE).open("w")))
        at_servers = {
            server.node.name: stack.enter_context(_witnessing(server.node, out, log))
            for server in stage.servers
            if len(stage.servers) > 1
        }
        with tcpdump.capturing(stage.client, stage.layout.client_interfaces, out, log=log) as captured:
            drops = {node.name: queues.dropped(node, log) for node in nodes}
            before = {node.name: protocol_counters(node) for node in nodes}
            url = f"http://{stage.layout.service}:{stage.layout.port}/{name}"
            if point.clock == "virtual":
                start_afresh()
            sampler = Sampler(samples, stage.client, nodes)
            yield Scene(
                client=stage.client,
                mptcp=point.protocol == "mptcp",
                url=url,
                file=WORK / "pages" / name,
                sampler=sampler,
                events=happened,
                actions=_changes(stage, happened),
                out=out,
                log=log,
            )
            after = {node.name: protocol_counters(node) for node in nodes}
            time.sleep(_AFTERMATH_S)
            from_s = sampler.now()
            settled = {node.name: protocol_counters(node) for node in nodes}
            to_s = sampler.now()
        drops = {
            node.name: {name: count - drops[node.name][name] for name, count in queues.dropped(node, log).items()}
            for node in nodes
        }
        write_list(out / captures.FILE, [capture.record() for capture in captured])
        counted = Counters(before=before, after=after, settled=settled, settled_s=(from_s, to_s), queue_drops=drops)
        write(out / counters.FILE, counted)
        if at_servers:
            seen = [
                ServerCapture(node=node, file=each.file.name) for node, found in at_servers.items() for each in found
            ]
            write_list(out / captures.AT_SERVERS, seen)
        if stage.injector:
            write(out / losses.FILE, _injected(stage.injector))
        if is_upload:
            write(out / uploads.FILE, _stored(WORK / "pages" / name, roots))


def _injected(injector: loss_injection.Injector) -> InjectedLosses:
    """What the injector was to drop where, and what it has seen and dropped."""
    counts = injector.counts()
    return InjectedLosses(
        packet=injector.packet,
        occurrence=injector.occurrence,
        interfaces=injector.interfaces,
        connections=counts.connections,
        packets=counts.packets,
        dropped=counts.dropped,
    )


def _stored(sent: Path, roots: Sequence[Path]) -> Uploads:
    """Under which of the servers' `roots` the file that was sent has arrived.

    Raises `ReadbackError` where one has another content, or none has it.
    """
    copies = [root / sent.name for root in roots if (root / sent.name).exists()]
    wrong = [copy for copy in copies if not filecmp.cmp(sent, copy, shallow=False)]
    if wrong or not copies:
        found = f"{wrong[0]}, of another content" if wrong else "no file on any server"
        raise ReadbackError("upload", str(sent), found)
    return Uploads(bytes=sent.stat().st_size, stored=tuple(map(str, copies)))
