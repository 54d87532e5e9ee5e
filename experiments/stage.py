"""A point on stage: its set-up built, and every role configured and read back.

What differs between experiments is in their parts (`experiments.composition`); what is here is done to all of them.
What is then measured there, `experiments.measurement` does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import several_directors
from experiments.composition import Parts, mptcp_of
from experiments.record import write
from testbed.base.families import in_url, whole_length
from testbed.base.needs import sysctl as sysctl_need
from testbed.directors.base import Director
from testbed.net import loss_injection, mptcp, netem, routing, sysctl, timestamps
from testbed.net.netns import Node
from testbed.network import NEEDS as NETWORK_NEEDS
from testbed.network import WORK, Network, running
from testbed.process import CommandLog
from testbed.record import protection
from testbed.record.point import Point
from testbed.record.protection import ProtectionCounts
from testbed.tools import path_manager
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
        *(sysctl_need(name, purpose="buffers of sockets") for name in BUFFERS),
        *(sysctl_need(name, purpose="many connections of one client") for name in PORTS),
    }
)
"""What every set-up needs, whatever it is made of."""


@dataclass(frozen=True)
class Server:
    """A server's place and its node; `local` is the address that its socket sees for the initial subflow.

    It may see one of `further_locals` where the connection comes by another one of several directors.
    `announced` is what it tells clients by ADD_ADDR: an address, and a port if joins go to another one.
    """

    place: ServerPlace
    node: Node
    local: str
    announced: tuple[str, int]
    further_locals: tuple[str, ...] = ()

    @property
    def unique(self) -> str:
        """The unique address, which it advertises if the director has nothing else announced."""
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

    @property
    def service_url(self) -> str:
        """The service as the client asks for it, without a page."""
        return self.url_at(self.layout.service)

    def url_at(self, address: str) -> str:
        """What the client asks by sockets of its family, at the service's address or a server's own, without a page."""
        mapped = self.parts.topology.client_family == "ipv6"
        return f"http://{in_url(address, mapped=mapped)}:{self.layout.port}"


@contextlib.contextmanager
def stage(point: Point, parts: Parts, log: CommandLog, *, single_packets: bool = False) -> Iterator[Stage]:
    """The point's set-up with every role configured and read back.

    Packets travel one by one where there is loss to hit them; everywhere with `single_packets`.
    """
    director, layout = parts.director, parts.topology.layout()

    def framing(one: str, other: str) -> netem.Framing:
        return "packets" if single_packets or layout.is_lossy(one, other) else "bursts"

    families = parts.topology.families.every
    with (
        running(layout.topo, framing, log, families) as network,
        losing(point, network, layout.towards_client) as injector,
    ):
        client = network[layout.client]
        for name in layout.directors:
            director.prepare(network, layout.of(name))
        for address in layout.client_further_addresses:
            written, _, length = address.partition("/")
            routing.add_address(client, layout.client_interfaces[0], written, int(length))
        for gateway in filter(None, (layout.client_gateway, *layout.client_further_gateways)):
            routing.default_via(client, gateway)
        for place in layout.servers:
            director.prepare_server(network, layout, place)
            for gateway in (place.gateway, *place.further_gateways):
                routing.default_via(network[place.name], gateway)
            if way := place.own_way:
                routing.from_address(network[place.name], place.unique, way.interface, way.network)
        several_directors.connect(network, layout)
        servers = tuple(_server(director, network, layout, number) for number in range(len(layout.servers)))
        settings = configure_hosts(point, client, servers, second_address=layout.client_second_address)
        for place in layout.servers:
            if found := parts.protection.protect(network, layout, place):
                settings[place.name]["protection"] = found
        with director.running(network, layout):
            settings |= several_directors.serve(director, network, layout, point.seed)
            if own := sysctls_of(point, director.role):
                for name in layout.nodes_of(director.role):
                    found = settings.setdefault(name, {})
                    found["sysctl"] = {**found.get("sysctl", {}), **sysctl.put(network[name], own)}
            settings["links"] = network.links
            if network.ipv6:
                settings["ipv6"] = network.ipv6
            addresses = layout.client_addresses
            if _has_second_address(point):
                addresses = (*addresses, layout.client_second_address)
            yield Stage(parts, layout, network, client, servers, addresses, settings, injector)


def _server(director: Director, network: Network, layout: Layout, number: int) -> Server:
    """A server by its place in the layout's order, with what its socket sees behind each of the directors."""
    views = [layout.of(name) for name in layout.directors]
    local, *further = dict.fromkeys(director.socket_address(view, view.servers[number]) for view in views)
    place = layout.servers[number]
    return Server(place, network[place.name], local, director.announced(layout, place), tuple(further))


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
            routing.add_address(client, f"{client.name}-eth0", second_address, whole_length(second_address))
        settings[client.name]["mptcp"] = mptcp.configure_client(client, wanted, second_address=second_address)
        for server in servers:
            address, port = server.announced
            found = mptcp.configure_server(
                server.node,
                wanted,
                local=server.local,
                unique=address,
                port=port,
                further_locals=server.further_locals,
            )
            settings[server.node.name]["mptcp"] = found
    return settings


def sysctls_of(point: Point, role: str) -> Mapping[str, str | int]:
    """The extra sysctls of the nodes with a role."""
    return point.sysctl_of.get(role, {})


def _has_second_address(point: Point) -> bool:
    return point.protocol == "mptcp" and mptcp_of(point).has_second_address


def put_middlebox(point: Point, ready: Stage) -> None:
    """The topology's middlebox, if it has one, from now on; raises as `timestamps.put_middlebox`.

    Not before all that is set up has been seen to work: it may break what it alters.
    """
    if kind := ready.parts.topology.middlebox:
        places = [(ready.network[node], interface) for node, interface in ready.layout.towards_client]
        timestamps.put_middlebox(kind, places, seed=point.seed, work=WORK, log=ready.network.log)


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
                    own_addresses=stage.parts.protection.own_addresses(stage.layout, server.place),
                    log=stage.network.log,
                )
                stack.enter_context(daemon)
        yield
    if stage.parts.protection.in_user_space and point.protocol == "mptcp":
        counts = {server.node.name: path_manager.counted(server.node, out) for server in stage.servers}
        write(out / protection.FILE, ProtectionCounts(servers=counts))
