"""A topology brought to life by Mininet, with every link shaped; torn down when the block ends."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mininet.topo import Topo

from testbed.base.errors import CommandError
from testbed.base.families import ONLY_IPV4, Family
from testbed.base.needs import program
from testbed.net import ipv6, netem, offload, queues, sysctl, tbf
from testbed.net.netns import Node
from testbed.net.queues import Queue
from testbed.process import CommandLog
from testbed.programs import Programs

NEEDS = frozenset(
    {
        program("mnexec", package="mininet", purpose="nodes"),
        program("ip", package="iproute2", purpose="links"),
        program("tc", package="iproute2", purpose="the shaping of links"),
    }
)
"""What every topology needs that is brought to life here."""

WORK = Path("/tmp/testbed")
"""Where the programs of a running topology have their files: in a /tmp of the lab's own."""

FramingChoice = Callable[[str, str], netem.Framing]


@dataclass
class Network:
    """The running topology: its nodes by name, what was set on its links, and every command.

    `ipv6` is what each node was told of that family, if its addresses are among the topology's. `programs` are those
    that nodes run for as long as the network is there.
    """

    mininet: Any
    nodes: dict[str, Node]
    log: CommandLog
    links: list[dict[str, Any]] = field(default_factory=list)
    ipv6: dict[str, dict[str, str]] = field(default_factory=dict)
    programs: Programs = field(default_factory=Programs)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def neighbours(self, name: str) -> dict[str, str]:
        """The nodes at the other ends of a node's links, by its interface."""
        ends = [end for link in self.mininet.links for end in (link.intf1, link.intf2)]
        others = [end for link in self.mininet.links for end in (link.intf2, link.intf1)]
        return {
            str(end.name): str(other.node.name)
            for end, other in zip(ends, others, strict=True)
            if end.node.name == name
        }


@dataclass(frozen=True)
class _Shaped:
    """What shapes an interface: a queue, and what will do `instead` where the kernel has none of that kind."""

    queue: Queue
    instead: Queue | None
    framing: netem.Framing

    def record(self, queue: Queue, settings: dict[str, float]) -> dict[str, Any]:
        made = {"interface": queue.interface, "framing": self.framing, queue.kind: settings}
        return made if queue is self.queue else {**made, "instead_of": self.queue.kind}


def _shape_links(network: Network, topo: Topo, framing: FramingChoice) -> None:
    """Shape both ends of each link; those of a node at once."""
    wanted: defaultdict[str, list[_Shaped]] = defaultdict(list)
    order = []
    for source, target, info in topo.links(withInfo=True):
        profile = info["profile"]
        choice = framing(source, target)
        for name, port, way in (
            (info["node1"], info["port1"], profile.towards_server),
            (info["node2"], info["port2"], profile.towards_client),
        ):
            interface = f"{name}-eth{port}"
            if name in topo.switches():
                interface = str(network.mininet.get(name).intfs[port])
            if choice == "packets":
                offload.switch_off(network[name], interface, network.log)
            own_card = not topo.isSwitch(name) and not topo.nodeInfo(name).get("forwards", False)
            wanted[name].append(_shape(interface, way, choice, own_card=own_card))
            order.append(interface)
    made = {each["interface"]: each for name, shapes in wanted.items() for each in _put(network, name, shapes)}
    network.links += [made[interface] for interface in order]


def _shape(interface: str, way: netem.Direction, choice: netem.Framing, *, own_card: bool) -> _Shaped:
    """A token bucket where a host sends and only a rate is asked for; in the middle, or for more, netem.

    Where the kernel has none and only a rate is asked for, a token bucket with a queue as long.
    """
    plain = choice == "bursts" and not way.delay_s and not way.loss
    if plain and own_card:
        return _Shaped(tbf.queue(interface, way.rate_bps), None, choice)
    bucket = tbf.queue(interface, way.rate_bps, queue_s=netem.BUFFER_S) if plain else None
    return _Shaped(netem.queue(interface, way, choice), bucket, choice)


def _put(network: Network, name: str, shapes: list[_Shaped]) -> list[dict[str, Any]]:
    used = [shape.queue for shape in shapes]
    try:
        found = queues.put(network[name], used, network.log)
    except CommandError as error:
        if queues.UNKNOWN not in error.stderr or not any(shape.instead for shape in shapes):
            raise
        used = [shape.instead or shape.queue for shape in shapes]
        found = queues.put(network[name], used, network.log)
    return [shape.record(*each) for shape, each in zip(shapes, zip(used, found, strict=True), strict=True)]


def _with_ipv6(mininet: Any, topo: Topo, families: Collection[Family]) -> dict[str, dict[str, str]]:
    """Tell each node of IPv6, which has no interfaces yet; beside IPv4, who forwards packets does so in both."""
    told = {}
    for each in (*mininet.hosts, *mininet.switches):
        node = Node(each.name, each.pid)
        if topo.isSwitch(node.name):
            told[node.name] = ipv6.switch_off(node)
            continue
        forwards = bool(topo.nodeInfo(node.name).get("forwards", False))
        told[node.name] = ipv6.prepare(node, forwards=forwards)
        if forwards and "ipv4" in families:
            told[node.name] |= sysctl.put(node, {ipv6.FORWARDS["ipv4"]: 1})
    return told


@contextlib.contextmanager
def running(
    topo: Topo, framing: FramingChoice, log: CommandLog, families: Collection[Family] = ONLY_IPV4.every
) -> Iterator[Network]:
    """Start the topology and shape its links, each of which leads from the client's end to the servers'.

    `framing(node, node)` says how each link counts frames; `families` are those of the topology's addresses.
    """
    from testbed import (
        nodes as kinds,
    )  # with Mininet, which is for those who build: who plans needs its topologies only

    mininet = kinds.build(topo)
    try:
        told = _with_ipv6(mininet, topo, families) if "ipv6" in families else {}
        kinds.make_links(mininet, log)
        mininet.start()
        nodes = {node.name: Node(node.name, node.pid) for node in (*mininet.hosts, *mininet.switches)}
        with Programs() as programs:
            network = Network(mininet, nodes, log, ipv6=told, programs=programs)
            _shape_links(network, topo, framing)
            yield network
    finally:
        mininet.stop()
