"""Faults of chosen packets of one connection: lost, duplicated, late, or behind the next one. All that pass are noted.

A BPF program (`fault_injection.bpf.c`) at places in the middle of the network counts the TCP packets in the order in
which they pass, in both directions together; up to a fault, a connection that is made again has the same ones. Its maps
are in this process's memory: to arm it for the next connection, and to read what passed, takes no system call.

A late packet waits in a pair of devices of its own beside the place, with netem's delay, and is given back where it was
taken from. Each delay of an injector has such a pair at each place; they are there from the beginning.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.base.errors import TestbedError
from testbed.base.needs import Call, Need, kernel, program
from testbed.net import bpf, netem, queues
from testbed.net.bpf_filters import attached
from testbed.net.netns import Node, here, inside, interface_index
from testbed.net.queues import Queue
from testbed.process import CommandLog, run, run_lines

NEEDS: frozenset[Need] = frozenset(
    {
        kernel(
            "BPF at tc's clsact",
            "CONFIG_BPF_SYSCALL",
            "CONFIG_NET_CLS_BPF",
            "CONFIG_NET_SCH_INGRESS",
            "CONFIG_NET_SCH_NETEM",
            purpose="faults of chosen packets",
            probe=(Call(function="testbed.net.fault_injection:probe"),),
        ),
        program("bpf-gcc", package="gcc-bpf", purpose="faults of chosen packets"),
    }
)

MOST_PLACES = 4
MOST_FAULTS = 8
MOST_PACKETS = 16384

_SOURCE = Path(__file__).with_name("fault_injection.bpf.c")
_PROGRAMS = {"ingress": "from_client", "egress": "to_client"}
_GIVE_BACK = "give_back"
_ACTIONS = {"lost": 1, "duplicated": 2, "delayed": 3, "swapped": 4}
_PASSAGE_BYTES = 40
_HEAD = struct.Struct("=IIII")  # armed, seen, noted, struck
_FAULT = struct.Struct(f"=II{MOST_PLACES}I")
_CONTROL_BYTES = _HEAD.size + MOST_FAULTS * _FAULT.size + MOST_PLACES * len(_PROGRAMS) * 4
_LINE_PACKETS = 1000


@dataclass(frozen=True)
class Strike:
    """What is done to packet number `packet`, from 1: `lost`, `duplicated`, `delayed` by `delay_ns`, or `swapped`."""

    packet: int
    what: str
    delay_ns: int = 0


@dataclass(frozen=True)
class Counts:
    """How many packets of the connection have passed, and to how many of them something was done."""

    seen: int
    struck: int


class Injector:
    """A running injector; `lines` are the indices of the devices where packets wait, by delay in ns, place by place."""

    def __init__(self, program: bpf.Program, lines: Mapping[int, Sequence[int]]) -> None:
        self._controls = mmap.mmap(program.map_fd("controls"), _pages(_CONTROL_BYTES))
        self._passed = mmap.mmap(program.map_fd("passed"), _pages(_PASSAGE_BYTES * MOST_PACKETS))
        self._lines = lines

    def arm(self, strikes: Sequence[Strike]) -> None:
        """From now on count and note packets anew, and do this to them."""
        words = bytearray(_CONTROL_BYTES)
        for number, strike in enumerate(strikes):
            lines = self._lines[strike.delay_ns] if strike.what == "delayed" else ()
            padded = (*lines, *[0] * (MOST_PLACES - len(lines)))
            _FAULT.pack_into(words, _HEAD.size + number * _FAULT.size, strike.packet, _ACTIONS[strike.what], *padded)
        self._controls[:_CONTROL_BYTES] = bytes(words)
        self._controls[:4] = struct.pack("=I", 1)

    def disarm(self) -> None:
        """Count, note and do nothing more."""
        self._controls[:4] = bytes(4)

    def counts(self) -> Counts:
        """What it has seen and done since it was armed."""
        _armed, seen, _noted, struck = _HEAD.unpack_from(self._controls)
        return Counts(seen, struck)

    def log(self) -> bytes:
        """The packets that it has noted since it was armed: `struct passage` of the program, one after the other.

        Raises `TestbedError` if they were more than it has room for.
        """
        noted = _HEAD.unpack_from(self._controls)[2]
        if noted > MOST_PACKETS:
            raise TestbedError(
                f"a connection of {noted} packets, of which {MOST_PACKETS} can be noted", hint="a smaller object"
            )
        return self._passed[: noted * _PASSAGE_BYTES]

    def close(self) -> None:
        """Let the memory go."""
        self._controls.close()
        self._passed.close()


def probe() -> None:
    """Compile an injector, attach it, and take it away."""
    with (
        tempfile.TemporaryDirectory() as work,
        injecting([(here(), "lo")], [1_000_000], Path(work), log=CommandLog()),
    ):
        pass


@contextlib.contextmanager
def injecting(
    places: Sequence[tuple[Node, str]], delays_ns: Sequence[int], work: Path, *, log: CommandLog
) -> Iterator[Injector]:
    """An injector at `places`, until the block ends: nodes and interfaces towards the client, each packet passes one.

    `delays_ns` are those that its faults may have. The compiled program goes to `work`. Raises `ReadbackError`.
    """
    if len(places) > MOST_PLACES:
        raise TestbedError(f"{len(places)} places where packets pass, of which {MOST_PLACES} can be watched")
    binary = bpf.compiled(_SOURCE, "fault_injection", {}, work, log)
    with contextlib.ExitStack() as stack:
        program = stack.enter_context(bpf.loaded(binary, _GIVE_BACK))
        lines: dict[int, list[int]] = {delay: [] for delay in delays_ns}
        for number, (node, interface) in enumerate(places):
            for line, delay_ns in enumerate(lines):
                name = f"late{number}x{line}"
                lines[delay_ns].append(stack.enter_context(_line(node, name, delay_ns, program, log)))
            names = {hook: f"{name}_{number}" for hook, name in _PROGRAMS.items()}
            programs = {hook: (program.program_fd(name), name) for hook, name in names.items()}
            stack.enter_context(attached(node, interface, programs))
        injector = Injector(program, lines)
        stack.callback(injector.close)
        yield injector


@contextlib.contextmanager
def _line(node: Node, name: str, delay_ns: int, program: bpf.Program, log: CommandLog) -> Iterator[int]:
    """A pair of devices, packets through which are late by so much; the index of the first."""
    ends = (name, f"{name}p")
    lines = [f"link add {ends[0]} type veth peer {ends[1]}"]
    lines += [f"link set {end} addrgenmode none up" for end in ends]
    run_lines(node.enter("ip"), lines, log)
    try:
        wanted = {"delay_s": round(delay_ns * 1e-9, 9), "limit": _LINE_PACKETS}
        words = ("limit", str(_LINE_PACKETS), "delay", f"{delay_ns / 1000:.3f}us")
        queue = Queue(ends[0], "netem", words, wanted, _reader(wanted["delay_s"]))
        queues.put(node, [queue], log)
        with inside(node):
            index = interface_index(ends[0])
        with attached(node, ends[1], {"ingress": (program.fd, _GIVE_BACK)}):
            yield index
    finally:
        run(node.enter("ip", "link", "del", ends[0]), log=log, check=False)


def _reader(delay_s: float) -> Callable[[Mapping[str, Any]], dict[str, float]]:
    return lambda options: {"delay_s": netem.delay_of(options, delay_s), "limit": options["limit"]}


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
