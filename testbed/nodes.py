"""Mininet's hosts, switches and links with few processes: no shell before it is asked for, and one `ip` a node.

Each of Mininet's nodes is a shell at a terminal, into which it types a command for whatever is done to an interface:
forty programs for three hosts, a quarter of what a tiny point costs. Here a program that sleeps holds a node's
namespaces, and what Mininet wants of links and interfaces is only noted, until `make_links` hands all of it to `ip`.
From then on Mininet works as ever: with the first command that it has for a node, the node gets its shell.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

from mininet.link import Intf, Link
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Host, Switch
from mininet.node import Node as MininetNode
from mininet.topo import Topo

from testbed.base.errors import CommandError, ReadbackError
from testbed.base.families import family_of
from testbed.net.netns import Node
from testbed.process import CommandLog, run_lines, wait_until
from testbed.wire import MTU_BYTES

_LARGEST_WITH_BROADCAST = 30


class _ShellOnDemand(MininetNode):  # type: ignore[misc]
    """A node without a shell; its namespaces are held by a process that sleeps."""

    pid: int
    _holder: subprocess.Popen[bytes] | None = None

    @classmethod
    def setup(cls) -> None:
        """Nothing: what is needed is known (`testbed.network.NEEDS`)."""

    def startShell(self, mnopts: str | None = None) -> None:
        """The first time, when Mininet makes the node, make its namespaces alone; then start a shell in them."""
        if self._holder is None:
            self._hold_namespaces()
            return
        pid, self.inNamespace = self.pid, False  # so that Mininet adds no `-n`: they are entered, not made
        try:
            super().startShell(mnopts=f"-da{pid}")
        finally:
            self.pid, self.inNamespace = pid, True

    def _hold_namespaces(self) -> None:
        argv = ["mnexec", "-dnp", "sleep", "infinity"]  # in this order: it prints its id once it has them
        self._holder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        with self._holder.stdout as said:
            if not said.readline():
                raise CommandError(argv, self._holder.wait(), f"no namespaces for {self.name}")
        self.pid = self._holder.pid

    def sendCmd(self, *args: Any, **kwargs: Any) -> None:
        """Type a command into the node's shell, which there is from now on."""
        if self.shell is None:
            self.startShell()
        super().sendCmd(*args, **kwargs)

    def cmd(self, *args: Any, **kwargs: Any) -> Any:
        """What a command says in the node's shell, which there is from now on."""
        if self.shell is None:
            self.startShell()
        return super().cmd(*args, **kwargs)

    def config(
        self, mac: str | None = None, ip: str | None = None, defaultRoute: str | None = None, **_params: Any
    ) -> dict[str, Any]:
        """Configure the first interface; `lo` is up once there are links."""
        results: dict[str, Any] = {}
        self.setParam(results, "setMAC", mac=mac)
        self.setParam(results, "setIP", ip=ip)
        self.setParam(results, "setDefaultRoute", defaultRoute=defaultRoute)
        return results

    def terminate(self) -> None:
        """End the shell, if there is one, and the namespaces with all that is in them."""
        super().terminate()
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait()


class QuietHost(_ShellOnDemand, Host):  # type: ignore[misc]
    """A host."""


class LearningSwitch(_ShellOnDemand, Switch):  # type: ignore[misc]
    """An Ethernet switch: a kernel bridge in a namespace of its own."""

    def __init__(self, name: str, **params: Any) -> None:
        super().__init__(name, **{**params, "inNamespace": True, "dpid": "1"})

    def start(self, _controllers: list[Any]) -> None:
        """Nothing: the bridge is made with the links."""

    def stop(self, deleteIntfs: bool = True) -> None:
        """Nothing but its end."""
        del deleteIntfs
        self.terminate()


class PlannedLink(Link):  # type: ignore[misc]
    """A pair of virtual interfaces, which `make_links` makes."""

    def makeIntfPair(self, *_names: Any, **_params: Any) -> None:
        """Not yet."""

    def stop(self) -> None:
        """Nothing: it ends with the namespaces of its nodes."""


class PlannedInterface(Intf):  # type: ignore[misc]
    """An end of a `PlannedLink`; until that is there, what it is given is noted in `mac`, `ip` and `prefixLen`."""

    exists = False

    def setMAC(self, macstr: str) -> Any:
        """Give it this link-layer address."""
        if self.exists:
            return super().setMAC(macstr)
        self.mac = macstr
        return None

    def setIP(self, ipstr: str, prefixLen: int | None = None) -> Any:
        """Give it this address: `10.0.1.2/24`, or with the length of the prefix beside it."""
        if self.exists:
            return super().setIP(ipstr, prefixLen)
        self.ip, _, length = ipstr.partition("/")
        self.prefixLen = length or prefixLen
        return None

    def isUp(self, setUp: bool = False) -> Any:
        """Whether it is up; or have it up, which it is from the beginning."""
        return super().isUp(setUp) if self.exists else setUp


def build(topo: Topo) -> Mininet:
    """The topology's nodes, and its links as planned."""
    setLogLevel("warning")
    kinds = {"host": QuietHost, "switch": LearningSwitch, "link": PlannedLink, "intf": PlannedInterface}
    return Mininet(topo=topo, **kinds, controller=None, autoSetMacs=True, build=True)


def make_links(network: Mininet, log: CommandLog) -> None:
    """Make all links of the network, and give each interface what was noted; raises `CommandError`."""
    links = [link for link in network.links if isinstance(link, PlannedLink)]
    _ip(["ip"], [_pair(link.intf1, link.intf2) for link in links], log)
    for node in (*network.hosts, *network.switches):
        interfaces = [each for each in node.intfList() if isinstance(each, PlannedInterface)]
        lines = [line for each in interfaces for line in _addresses(each)]
        if isinstance(node, LearningSwitch):
            lines += ["link add br0 type bridge stp_state 0 forward_delay 0", "link set br0 up"]
            lines += [f"link set {each.name} master br0" for each in interfaces]
        # Last, when they have their addresses.
        lines += [f"link set {name} up" for name in ("lo", *(each.name for each in interfaces))]
        _ip(Node(node.name, node.pid).enter("ip"), lines, log)
        for each in interfaces:
            each.exists = True
    wait_until(
        lambda: all(_is_up(end) for link in links for end in (link.intf1, link.intf2)),
        "links up",
        timeout_s=30,
        interval_s=0.1,
    )
    for each in (end for link in links for end in (link.intf1, link.intf2) if _mtu(end)):
        _read_mtu(each)


def _is_up(interface: Intf) -> bool:
    """Whether the kernel lets packets pass; it may take a second of its own for that, and until then drops them."""
    return _kernels(interface, "operstate") == "up\n"


def _kernels(interface: Intf, attribute: str) -> str:
    return Node(interface.node.name, interface.node.pid).interface(interface.name, attribute)


def _pair(one: Intf, other: Intf) -> str:
    ends = [f"name {each.name}{_mtu(each)} address {each.mac} netns {each.node.pid}" for each in (one, other)]
    return f"link add {ends[0]} type veth peer {ends[1]}"


def _mtu(interface: Intf) -> str:
    """What a profile says that is not Ethernet's."""
    wanted = _mtu_bytes(interface)
    return "" if wanted == MTU_BYTES else f" mtu {wanted}"


def _mtu_bytes(interface: Intf) -> int:
    return int(getattr(interface.params.get("profile"), "mtu_bytes", MTU_BYTES))


def _read_mtu(interface: Intf) -> None:
    found = _kernels(interface, "mtu")
    if int(found) != (wanted := _mtu_bytes(interface)):
        raise ReadbackError(f"MTU of {interface.node.name} {interface.name}", wanted, found)


def _addresses(interface: Intf) -> Iterator[str]:
    """What gives an interface its address, and those of other families: `further_ips`, with their prefixes."""
    node, params = interface.node, interface.params
    if node and interface is node.intfs[min(node.intfs)]:  # of which Mininet has what the topology says of the node
        params = {**node.params, **params}
    first = [f"{interface.ip}/{interface.prefixLen}"] if interface.ip else []
    for address in (*first, *params.get("further_ips", ())):
        yield f"address add {address} {_how(address)}dev {interface.name}"


def _how(address: str) -> str:
    """In IPv4 with the network's broadcast address; in IPv6 at once, without asking whether somebody has it."""
    if family_of(address) == "ipv6":
        return "nodad "
    return "broadcast + " if int(address.partition("/")[2]) <= _LARGEST_WITH_BROADCAST else ""


def _ip(argv: list[str], lines: list[str], log: CommandLog) -> None:
    if lines:
        run_lines(argv, lines, log)
