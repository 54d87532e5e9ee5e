"""Runs inside a guest: one MPTCP connection for each case, and writes down what happened.

Standard input is a JSON object of cases by name: `topology` is "load-balancer" (the paper's Fig. 5) or "pair" (two
hosts with two links). $TESTBED_OUT gets `results.json` and a directory of captures for each case.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mininet.topo import Topo
from pyroute2 import GenericNetlinkSocket
from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST, genlmsg
from pyroute2.netlink.generic.mptcp import MPTCP_GENL_NAME, mptcp_msg

from experiments import plan
from experiments.composition import parts_of
from experiments.stage import stage as on_stage
from testbed.net import sysctl
from testbed.net.counters import protocol_counters
from testbed.net.netns import Node, inside
from testbed.network import running
from testbed.process import CommandLog, run, wait_until
from testbed.tools import tcpdump
from topologies.links import LinkProfile
from topologies.load_balancer_plan import LoadBalancerPlan

IPPROTO_MPTCP = 262
SOL_MPTCP, MPTCP_INFO = 284, 1
DROP_TIMESTAMPS = Path("/proc/sys/net/mptcp/add_addr_v6_port_drop_ts")  # where an address needs the room; not in 6.12
BLOCK = 1 << 16

# What a packet's options look like after the 12 bytes of timestamps: (offset of the MPTCP option from the IPv4 or
# IPv6 header's start, first bytes, mask). MP_PRIO follows a DATA_ACK of 4 or 8 bytes. A SYN is known by its flags.
ADD_ADDR = [("ip", 52, 0x1E103000, 0xFFFFFF00)]
ADD_ADDR_PORT = [("ip", 52, 0x1E123000, 0xFFFFFF00)]
ADD_ADDR6 = [("ipv6", 72, 0x1E1C3000, 0xFFFFFF00)]
MP_PRIO = [("ip", 60, 0x1E035100, 0xFFFFFF00), ("ip", 64, 0x1E035100, 0xFFFFFF00)]
OPENING = [("ip", 32, 0x00020000, 0x00FF0000), ("ipv6", 52, 0x00020000, 0x00FF0000)]
ANSWER = [("ip", 32, 0x00120000, 0x00FF0000), ("ipv6", 52, 0x00120000, 0x00FF0000)]
OPTIONS = {
    "ADD_ADDR": ADD_ADDR, "ADD_ADDR_PORT": ADD_ADDR_PORT, "ADD_ADDR6": ADD_ADDR6, "MP_PRIO": MP_PRIO, "SYN": OPENING,
    "SYN+ACK": ANSWER,
}  # fmt: skip


class SubflowCreate(genlmsg):
    """MPTCP_PM_CMD_SUBFLOW_CREATE of include/uapi/linux/mptcp_pm.h."""

    command = 10
    prefix = "MPTCP_PM_ATTR_"
    pm_addr = mptcp_msg.pm_addr
    nla_map = (
        *mptcp_msg.nla_map,
        ("MPTCP_PM_ATTR_TOKEN", "uint32"),
        ("MPTCP_PM_ATTR_LOC_ID", "uint8"),
        ("MPTCP_PM_ATTR_ADDR_REMOTE", "pm_addr"),
    )


def block(number: int) -> bytes:
    """Block `number` of the data that is sent: no two are equal, so that none can take another's place."""
    return number.to_bytes(8, "big") * (BLOCK // 8)


def send_blocks(peer: socket.socket, count: int) -> str:
    digest = hashlib.sha256()
    for number in range(count):
        digest.update(block(number))
        peer.sendall(block(number))
    return digest.hexdigest()


def receive_all(peer: socket.socket, size: int) -> str:
    digest = hashlib.sha256()
    while size and (data := peer.recv(min(size, 1 << 20))):
        digest.update(data)
        size -= len(data)
    return digest.hexdigest() if not size else f"{size} bytes missing"


def serve(listener: socket.socket) -> None:
    """One request: `D` or `U` and a number of blocks, which it sends or takes; then the digest either way."""
    peer, _ = listener.accept()
    with peer:
        kind, count = peer.recv(1, socket.MSG_WAITALL), int.from_bytes(peer.recv(8, socket.MSG_WAITALL), "big")
        digest = send_blocks(peer, count) if kind == b"D" else receive_all(peer, count * BLOCK)
        peer.sendall(digest.encode().ljust(64))
        peer.recv(1)  # until the client has closed


def transfer(peer: socket.socket, direction: str, count: int) -> bool:
    """Move the blocks; whether both ends agree on the digest."""
    peer.sendall(direction[:1].upper().encode() + count.to_bytes(8, "big"))
    own = receive_all(peer, count * BLOCK) if direction == "download" else send_blocks(peer, count)
    said = b""
    while len(said) < len(own) and (more := peer.recv(len(own) - len(said))):  # it may come in two segments
        said += more
    return said.decode() == own


def socket_in(node: Node, family: int = socket.AF_INET) -> socket.socket:
    with inside(node):
        return socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)


def counter(node: Node, name: str) -> int:
    return protocol_counters(node).get(f"MPTcpExt{name}", 0)


def lose(node: Node, interface: str, case: dict[str, Any]) -> threading.Timer:
    """Drop every packet of the kind `lost` that comes in, until `lost_s` after the returned timer is started."""
    tc = ("tc", "filter", "add", "dev", interface, "ingress")
    run(node.enter("tc", "qdisc", "add", "dev", interface, "ingress"))
    for protocol, offset, value, mask in OPTIONS[case["lost"]] if "lost" in case else ():
        match = ("match", "u32", hex(value), hex(mask), "at", str(offset))
        run(node.enter(*tc, "protocol", protocol, "u32", *match, "action", "drop"))
    end = node.enter("tc", "qdisc", "del", "dev", interface, "ingress")
    return threading.Timer(case.get("lost_s", 0), run, (end,))


def create_subflow(client: Node, peer: socket.socket, remote: str, port: int) -> None:
    """Have the client's kernel join `remote`, whatever the C flag says."""
    token = int.from_bytes(peer.getsockopt(SOL_MPTCP, MPTCP_INFO, 256)[12:16], sys.byteorder)

    def address(text: str, *more: tuple[str, int]) -> dict[str, Any]:
        pairs = [("FAMILY", socket.AF_INET), ("ADDR4", text), *more]
        return {"attrs": [(f"MPTCP_PM_ADDR_ATTR_{name}", value) for name, value in pairs]}

    message = SubflowCreate()
    message["cmd"], message["version"] = SubflowCreate.command, 1
    message["attrs"] = [
        ("MPTCP_PM_ATTR_ADDR", address(peer.getsockname()[0], ("ID", 0)), 0x8000),
        ("MPTCP_PM_ATTR_TOKEN", token),
        ("MPTCP_PM_ATTR_ADDR_REMOTE", address(remote, ("PORT", port)), 0x8000),
    ]
    with inside(client), GenericNetlinkSocket() as generic:
        generic.bind(MPTCP_GENL_NAME, SubflowCreate)
        generic.nlm_request(message, msg_type=generic.prid, msg_flags=NLM_F_REQUEST | NLM_F_ACK)


@contextlib.contextmanager
def connected(server: Node, client: Node, target: str, port: int, family: int) -> Iterator[socket.socket]:
    """A server that waits for one request, and a client's connection to it."""
    with socket_in(server, family) as listener, socket_in(client, family) as peer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        peer.settimeout(60)
        peer.connect((target, port))
        yield peer
        peer.close()
        thread.join(30)


def exchange(peer: socket.socket, server: Node, case: dict[str, Any]) -> dict[str, Any]:
    """Transfer as the case says; when the join came and how long the transfer took, from the connection's start."""
    started = time.monotonic()
    found: dict[str, Any] = {"join_s": None}

    def work() -> None:
        time.sleep(case.get("idle_s", 0))
        found["intact"] = transfer(peer, case["direction"], case["blocks"])
        found["transfer_s"] = time.monotonic() - started

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        if found["join_s"] is None and counter(server, "MPJoinAckRx"):
            found["join_s"] = time.monotonic() - started
        thread.join(0.001)
    return found


def through_load_balancer(case: dict[str, Any], out: Path) -> dict[str, Any]:
    """The case's overrides on Fig. 7's topology, one connection to the virtual address."""
    overrides = ["protocols=mptcp", "workload.sizes=10 KB", *case.get("overrides", [])]
    (point,) = plan.plan(plan.load(plan.find("fig07")), overrides=overrides, schemes=["upstream"])
    log = CommandLog()
    addresses = LoadBalancerPlan(1)
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(on_stage(point, parts_of(point), log))
        server, client = stage.servers[0].node, stage.client
        if "remote" in case:
            sysctl.put(client, {"net.mptcp.pm_type": 1})
        captures = (stage.network[addresses.director], ["d-eth0", "d-eth1"]), (server, ["s1-eth1"])
        for node, interfaces in captures:
            stack.enter_context(tcpdump.capturing(node, interfaces, out, log=log))
        end_losses = lose(client, "c-eth0", case)
        with connected(server, client, addresses.vip, addresses.port, socket.AF_INET) as peer:
            end_losses.start()
            if "remote" in case:
                target = {"vip": addresses.vip, "unique": addresses.unique(1)}[case["remote"]]
                wait_until(lambda: counter(client, "AddAddr") > 0, "the server's ADD_ADDR", timeout_s=5)
                create_subflow(client, peer, target, addresses.port)
            found = exchange(peer, server, case)
        end_losses.cancel()
        found["counters"] = {node.name: protocol_counters(node) for node in (client, server)}
        return found


class Pair(Topo):
    """Two hosts with two links."""

    def build(self) -> None:
        for name in ("a", "b"):
            self.addHost(name, ip=None)
        for _ in range(2):
            self.addLink("a", "b", profile=LinkProfile(rate_bps=10**8, delay_s=0.005))


def between_two_hosts(case: dict[str, Any], _out: Path) -> dict[str, Any]:
    """A connection over the first link; b announces what the case says, and a loses the announcement for a while."""
    log = CommandLog()
    v6 = case["family"] == 6
    with running(Pair(), lambda _a, _b: "packets", log) as network:
        client, server = network["a"], network["b"]
        for number, node in ((1, client), (2, server)):
            for link in (0, 1):
                address = f"fd00:{link}::{number}/64" if v6 else f"10.9.{link}.{number}/24"
                options = ["nodad"] if v6 else []
                run(node.enter("ip", "address", "add", address, "dev", f"{node.name}-eth{link}", *options))
        timeout, interval = case["add_addr_timeout"], case["add_addr_resend_interval"]
        sysctl.put(
            server,
            {"net.mptcp.add_addr_timeout": timeout, "net.mptcp.add_addr_resend_interval": interval},
        )
        with inside(server):
            if case.get("keeps_timestamps") and DROP_TIMESTAMPS.exists():
                DROP_TIMESTAMPS.write_text("0")
        run(client.enter("ip", "mptcp", "limits", "set", "subflows", "4", "add_addr_accepted", "4"))
        for endpoint in case["endpoints"]:
            run(server.enter("ip", "mptcp", "endpoint", "add", *endpoint.split(), "signal"))
        target = "fd00:0::2" if v6 else "10.9.0.2"
        family = socket.AF_INET6 if v6 else socket.AF_INET
        end_losses = lose(client, "a-eth0", case)
        with connected(server, client, target, 80, family) as peer:
            end_losses.start()
            found = exchange(peer, server, case)
        end_losses.cancel()
        found["counters"] = {node.name: protocol_counters(node) for node in (client, server)}
        return found


TOPOLOGIES = {"load-balancer": through_load_balancer, "pair": between_two_hosts}


def answer(measure: Callable[[dict[str, Any], Path], dict[str, Any]]) -> None:
    """Measure the cases of standard input, each with a directory of its own for captures; leave `results.json`."""
    out = Path(os.environ["TESTBED_OUT"])
    results = {}
    for name, case in json.load(sys.stdin).items():
        captures = out / name
        captures.mkdir()
        try:
            results[name] = measure(case, captures)
        except Exception:  # one case must not take the others along: its own test fails
            results[name] = {"error": traceback.format_exc()}
    (out / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    answer(lambda case, captures: TOPOLOGIES[case["topology"]](case, captures))
