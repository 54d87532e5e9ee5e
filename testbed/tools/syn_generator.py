"""Made-up SYNs from the client's node to a server's unique address: `syn_generator.c`, compiled, run, its counts read.

They come from an address that the node has besides and nobody uses: its kernel answers who asks where it is, and no
more, since what TCP gets there is dropped before it. So a server that answers a SYN waits in vain, as in a flood.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.base.errors import CommandError, TestbedError
from testbed.base.families import family_of, whole_length
from testbed.base.needs import kernel, program
from testbed.net import nftables
from testbed.net.netns import Node
from testbed.net.nftables import IP, Table
from testbed.process import CommandLog, Process, run
from testbed.record.syns import Kind, Tally

NEEDS = frozenset(
    {
        kernel(
            "nftables before TCP",
            "CONFIG_NF_TABLES",
            "CONFIG_NF_TABLES_INET",
            purpose="an address from which SYNs are made up",
            probe=(("nft", "add", "table", "inet", "probe"), ("nft", "delete", "table", "inet", "probe")),
        ),
        kernel("packet sockets", "CONFIG_PACKET", purpose="made-up SYNs"),
        nftables.PROGRAM,
        program("gcc", package="gcc", purpose="the generator of SYNs"),
        program("ping", package="iputils-ping", purpose="the way of made-up SYNs"),
    }
)

_SOURCES = ("syn_generator.c", "syn_frames.h")
_PING = ("ping", "-q", "-c", "1", "-W", "5")
_HOST = 200  # no set-up numbers a host of its own so
_LIMIT_S = 60.0
_RANDOM_BITS = 64


@dataclass(frozen=True)
class Syns:
    """`count` SYNs of a kind, each `copies` times, at so many a second, `delay_s` after the start.

    They go to `target`, or with `anywhere` to random addresses of its network (its first 64 bits).
    `orders`: the options of each are in an order of its own.
    """

    kind: Kind
    target: str
    port: int
    count: int
    per_second: float
    delay_s: float
    seed: int
    copies: int = 1
    orders: bool = False
    anywhere: bool = False

    @property
    def prefix(self) -> int:
        """How many bits of `target` all of them have."""
        return whole_length(self.target) - (_RANDOM_BITS if self.anywhere else 0)


@dataclass(frozen=True)
class Stranger:
    """From where SYNs are sent: an interface, the address there, and the link-layer address of the next hop."""

    interface: str
    address: str
    next_hop: str


def address_in(network: str) -> str:
    """The address in a network of the client's, with its prefix, from which SYNs are made up."""
    return str(ipaddress.ip_network(network)[_HOST])


@contextlib.contextmanager
def stranger(node: Node, target: str, address: str, log: CommandLog) -> Iterator[Stranger]:
    """Have the node answer for `address`, and find its way to `target`, until the block ends."""
    run(node.enter(*_PING, target), log=log)
    (route,) = json.loads(run(node.enter("ip", "-j", "route", "get", target), log=log).stdout)
    interface, hop = route["dev"], route.get("gateway", target)
    neighbours = json.loads(run(node.enter("ip", "-j", "neigh", "show", "to", hop, "dev", interface), log=log).stdout)
    if not neighbours or "lladdr" not in neighbours[0]:
        raise TestbedError(f"{node.name}: no link-layer address of {hop} at {interface}")
    ip = IP[family_of(address)]
    chain = (
        "type filter hook prerouting priority raw; policy accept;",
        f"{ip} daddr {address} meta l4proto tcp drop",
    )
    nftables.put(node, Table("inet", "stranger", (), {}, {"prerouting": chain}), log)
    place = [f"{address}/{whole_length(address)}", "dev", interface]
    # Deprecated: nobody else's packets are sent from it.
    extra = ["preferred_lft", "0", *(["nodad"] if ip == "ip6" else [])]
    run(node.enter("ip", "address", "add", *place, *extra), log=log)
    try:
        # So whoever sends answers there knows the way: what waits for a neighbour's address is dropped beyond a bound.
        run(node.enter(*_PING, "-I", address, target), log=log)
        yield Stranger(interface, address, neighbours[0]["lladdr"])
    finally:
        run(node.enter("ip", "address", "del", *place), log=log)
        run(node.enter("nft", "delete", "table", "inet", "stranger"), log=log)


def build(work: Path, log: CommandLog) -> Path:
    """Compile the generator in `work`; raises `CommandError`."""
    for name in _SOURCES:
        shutil.copy(Path(__file__).with_name(name), work)
    program = work / "syn_generator"
    run(["gcc", "-O2", "-Wall", "-o", str(program), str(work / _SOURCES[0])], log=log, timeout_s=_LIMIT_S)
    return program


def start(program: Path, node: Node, place: Stranger, syns: Syns, tag: int, out: Path, log: CommandLog) -> Process:
    """Start sending; `tag` (below 256) tells these SYNs from those of others, `out` gets what is counted in the end."""
    words: list[Any] = [
        place.interface, place.next_hop, place.address, syns.target, syns.prefix, syns.port, syns.kind, syns.count,
        syns.copies, syns.per_second, syns.delay_s, syns.seed, tag, int(syns.orders),
    ]  # fmt: skip
    with _said(out).open("wb") as said, _complaints(out).open("wb") as complaints:
        argv = node.enter(str(program), *map(str, words))
        return Process(argv, stdout=said, stderr=complaints, log=log, keeps_id=False)


def tally(process: Process, syns: Syns, out: Path) -> Tally:
    """Wait until all are sent and answers have had their time; raises `CommandError` if it fails, `GuestTimeout`."""
    limit_s = syns.delay_s + syns.count / syns.per_second + _LIMIT_S
    status = process.wait(limit_s)
    if status != 0:
        raise CommandError(process.argv, status, _complaints(out).read_text())
    to = f"{syns.target}/{syns.prefix}" if syns.anywhere else syns.target
    found: dict[str, Any] = json.loads(_said(out).read_text())
    return Tally.model_validate({"kind": syns.kind, "to": to, **found})


def _said(out: Path) -> Path:
    return out.with_suffix(".json")


def _complaints(out: Path) -> Path:
    return out.with_suffix(".stderr.txt")
