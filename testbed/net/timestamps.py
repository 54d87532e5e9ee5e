"""TCP's timestamps (RFC 7323) as others than the two ends use them: a server's number in them, a middlebox that alters
them.

BPF programs (`timestamps.bpf.c`) at tc's hooks (tcx) do it packet by packet, and keep nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.base.middlebox import Middlebox
from testbed.base.needs import Call, kernel, program
from testbed.net import bpf
from testbed.net.netns import Node, here
from testbed.process import CommandLog

NEEDS = frozenset(
    {
        kernel(
            "BPF at tcx",
            "CONFIG_BPF_SYSCALL",
            "CONFIG_NET_SCH_INGRESS",
            purpose="timestamps that are altered on their way",
            probe=(Call(function="testbed.net.timestamps:probe"),),
        ),
        program("bpf-gcc", package="gcc-bpf", purpose="timestamps that are altered on their way"),
    }
)
"""What is needed where timestamps are altered; tcx came with Linux 6.6."""

_SOURCE = Path(__file__).with_name("timestamps.bpf.c")
_UNSAID = {"SERVER_ID": 0, "BITS": 0, "SEED": 0}

_PROGRAMS: Mapping[Middlebox, Mapping[str, bpf.Way]] = {
    "offset": {"add_offset": "egress"},
    "offset-and-back": {"add_offset": "egress", "take_offset": "ingress"},
    "timestamps-last": {"move_back": "ingress"},
}
"""What each kind of middlebox does, as seen from its end that leads to the client."""


def probe() -> None:
    """Compile a program and have it at an interface."""
    with tempfile.TemporaryDirectory() as work:
        put_server_id(here(), "lo", 1, bits=1, work=Path(work), log=CommandLog())


def put_server_id(node: Node, interface: str, number: int, *, bits: int, work: Path, log: CommandLog) -> None:
    """Write `number` into the low bits of the timestamps of all that leaves by an interface.

    The compiled program goes to `work`. Raises `CommandError`, `TestbedError`, `ReadbackError`.
    """
    chosen = {**_UNSAID, "SERVER_ID": number, "BITS": bits}
    binary = bpf.compiled(_SOURCE, f"server-id-{node.name}", chosen, work, log)
    bpf.attach(binary, "set_server_id", node, interface, "egress")


def put_middlebox(
    kind: Middlebox, places: Sequence[tuple[Node, str]], *, seed: int, work: Path, log: CommandLog
) -> None:
    """A middlebox at `places`, nodes and their interfaces that lead to the client.

    The compiled program goes to `work`. Raises as `put_server_id`.
    """
    chosen = {**_UNSAID, "SEED": f"{seed & 0xFFFFFFFF:#x}"}
    binary = bpf.compiled(_SOURCE, "middlebox", chosen, work, log)
    for node, interface in places:
        for name, way in _PROGRAMS[kind].items():
            bpf.attach(binary, name, node, interface, way)
