"""The loss of exactly one chosen packet per MPTCP connection, told by its MPTCP option (RFC 8684 section 3).

A BPF program (`loss_injection.bpf.c`) at interfaces in the middle of the network drops it, never at the
client, so that the client's captures are the truth: a packet that the client sent is in them, one that it
never got is not. nftables could not do it: its `tcp option` finds the first option of a kind only, and
Linux writes MP_PRIO behind a DSS option (net/mptcp/options.c, `mptcp_established_options`).

ADD_ADDR, its echo and MP_PRIO are counted on the initial subflow only, joins by the token in their SYN;
so one connection loses one packet. A packet that carries several options is lost as a whole.
"""

from __future__ import annotations

import contextlib
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.base.needs import Call, kernel, program
from testbed.net import bpf
from testbed.net.bpf_filters import HOOKS, attached
from testbed.net.netns import Node, here
from testbed.process import CommandLog

PACKETS = ("add-addr", "add-addr-echo", "mp-prio", "join-syn", "join-syn-ack")

NEEDS = frozenset(
    {
        kernel(
            "BPF at tc's clsact",
            "CONFIG_BPF_SYSCALL",
            "CONFIG_NET_CLS_BPF",
            "CONFIG_NET_SCH_INGRESS",
            purpose="the loss of a chosen packet",
            probe=(Call(function="testbed.net.loss_injection:probe"),),
        ),
        program("bpf-gcc", package="gcc-bpf", purpose="the loss of a chosen packet"),
    }
)

_SOURCE = Path(__file__).with_name("loss_injection.bpf.c")
_PROGRAM = "drop_one"
_CONNECTION_BYTES, _COUNT = 44, struct.Struct("=II")


@dataclass(frozen=True)
class Counts:
    """What an injector has seen: connections and packets of the chosen kind, and how many of these it dropped."""

    connections: int
    packets: int
    dropped: int


@dataclass(frozen=True)
class Injector:
    """A running injector: which packet it drops, at which interfaces, and the program that counts."""

    packet: str
    occurrence: int
    interfaces: tuple[str, ...]
    program: bpf.Program

    def counts(self) -> Counts:
        """What it has done so far, as the kernel has it."""
        values = [_COUNT.unpack(value) for _, value in self.program.entries("counts", _CONNECTION_BYTES, _COUNT.size)]
        return Counts(len(values), sum(packets for packets, _ in values), sum(dropped for _, dropped in values))


def probe() -> None:
    """Compile an injector, attach it, and take it away."""
    with (
        tempfile.TemporaryDirectory() as work,
        injecting([(here(), "lo")], "add-addr", 1, Path(work), log=CommandLog()),
    ):
        pass


@contextlib.contextmanager
def injecting(
    places: Sequence[tuple[Node, str]], packet: str, occurrence: int, work: Path, *, log: CommandLog
) -> Iterator[Injector]:
    """Until the block ends, drop the `occurrence`-th (from 1) `packet` of each connection at `places`.

    `places` are the nodes and interfaces on the client's side of the network's first hops; every subflow
    must pass one of them, none of them twice. The compiled program goes to `work`.
    """
    if packet not in PACKETS or occurrence < 1:
        raise ValueError(f"{packet} number {occurrence}: not one of {', '.join(PACKETS)}, counted from 1")
    chosen = {"PACKET": packet.upper().replace("-", "_"), "OCCURRENCE": occurrence}
    binary = bpf.compiled(_SOURCE, "loss_injection", chosen, work, log)
    with contextlib.ExitStack() as stack:
        program = stack.enter_context(bpf.loaded(binary, _PROGRAM))
        for node, interface in places:
            stack.enter_context(attached(node, interface, dict.fromkeys(HOOKS, (program.fd, _PROGRAM))))
        yield Injector(packet, occurrence, tuple(interface for _, interface in places), program)
