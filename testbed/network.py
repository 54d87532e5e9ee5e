"""A topology brought to life by Mininet, with every link shaped; torn down when the block ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.topo import Topo

from testbed.base.errors import CommandError
from testbed.base.needs import program
from testbed.net import netem, offload, tbf
from testbed.net.netns import Node
from testbed.nodes import LearningSwitch, PlannedInterface, PlannedLink, QuietHost, make_links
from testbed.process import CommandLog

NEEDS = frozenset(
    {
        program("mnexec", package="mininet", purpose="nodes"),
        program("ip", package="iproute2", purpose="links"),
        program("tc", package="iproute2", purpose="the shaping of links"),
    }
)
"""What every topology needs that is brought to life here."""

FramingChoice = Callable[[str, str], netem.Framing]


@dataclass
class Network:
    """The running topology: its nodes by name, what was set on its links, and every command."""

    mininet: Any
    nodes: dict[str, Node]
    log: CommandLog
    links: list[dict[str, Any]] = field(default_factory=list)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]


def _shape_links(network: Network, topo: Topo, framing: FramingChoice) -> None:
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
            node = network[name]
            if choice == "packets":
                offload.switch_off(node, interface, network.log)
            plain = choice == "bursts" and not way.delay_s and not way.loss
            own_card = not topo.isSwitch(name) and not topo.nodeInfo(name).get("forwards", False)
            if plain and own_card:
                made: dict[str, Any] = {"tbf": tbf.shape(node, interface, way.rate_bps, network.log)}
            else:
                made = _shape_in_the_middle(node, interface, way, choice, log=network.log, bucket_will_do=plain)
            network.links.append({"interface": interface, "framing": choice, **made})


def _shape_in_the_middle(
    node: Node, interface: str, way: netem.Direction, choice: netem.Framing, *, log: CommandLog, bucket_will_do: bool
) -> dict[str, Any]:
    """netem; where the kernel has none and only a rate is asked for, a token bucket with a queue as long."""
    try:
        return {"netem": netem.shape(node, interface, way, choice, log=log)}
    except CommandError as error:
        if not bucket_will_do or netem.UNKNOWN not in error.stderr:
            raise
    return {"tbf": tbf.shape(node, interface, way.rate_bps, log, queue_s=netem.BUFFER_S), "instead_of": "netem"}


@contextlib.contextmanager
def running(topo: Topo, framing: FramingChoice, log: CommandLog) -> Iterator[Network]:
    """Start the topology and shape its links, each of which leads from the client's end to the servers'.

    `framing(node, node)` says how each link counts frames.
    """
    setLogLevel("warning")
    kinds = {"host": QuietHost, "switch": LearningSwitch, "link": PlannedLink, "intf": PlannedInterface}
    mininet = Mininet(topo=topo, **kinds, controller=None, autoSetMacs=True, build=True)
    try:
        make_links(mininet, log)
        mininet.start()
        nodes = {node.name: Node(node.name, node.pid) for node in (*mininet.hosts, *mininet.switches)}
        network = Network(mininet, nodes, log)
        _shape_links(network, topo, framing)
        yield network
    finally:
        mininet.stop()
