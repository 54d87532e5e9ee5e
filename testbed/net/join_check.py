"""An address of its own for each MPTCP connection, and the check that a join comes to it: `join_check.bpf.c`.

An address is a server's prefix and a keyed hash of the connection's token (SipHash), so the server need not remember
whom it has told what: whoever was told an address knows its token, and nobody else finds an address for a token of his
own. The key is drawn by the kernel, and changes when `rotate` is called; the one before stays good until the next time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from testbed.base.needs import Call, kernel, program
from testbed.net import bpf
from testbed.net.siphash import KEY_BYTES, siphash
from testbed.process import CommandLog

NEEDS = frozenset(
    {
        kernel(
            "BPF where packets arrive (XDP)",
            "CONFIG_BPF_SYSCALL",
            purpose="an address for each connection",
            probe=(Call(function="testbed.net.join_check:probe"),),
        ),
        program("bpf-gcc", package="gcc-bpf", purpose="an address for each connection"),
    }
)

OUTCOMES = ("passed", "passed-by-old-key", "refused-joins", "refused-others")
"""What is counted of SYNs: joins of the right address by the key in use, and by the one before; joins of another
address; and SYNs that are no joins.
"""

PREFIX_BITS = 64

_SOURCE = Path(__file__).with_name("join_check.bpf.c")
_PROGRAM = "check_joins"
_INDEX, _COUNT = struct.Struct("=I"), struct.Struct("=Q")


class JoinCheck:
    """A running check: it knows the keys, and so the address of each connection."""

    def __init__(self, program: bpf.Program, unique: str, prefix: str) -> None:
        self._program = program
        self._unique = ipaddress.IPv6Address(unique).packed
        self._prefix = ipaddress.IPv6Network(prefix).network_address.packed[: PREFIX_BITS // 8]
        self._keys = (secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES))
        self._write()

    def address_of(self, token: int) -> str:
        """The address that a connection with this token is to be told."""
        return str(ipaddress.IPv6Address(self._prefix + siphash(self._keys[0], token.to_bytes(4, "big"))))

    def rotate(self) -> None:
        """Take another key; what was told before is good until the next time."""
        self._keys = (secrets.token_bytes(KEY_BYTES), self._keys[0])
        self._write()

    def counts(self) -> dict[str, int]:
        """What has become of SYNs so far (`OUTCOMES`)."""
        found = self._program.entries("counts", _INDEX.size, _COUNT.size)
        return {OUTCOMES[_INDEX.unpack(key)[0]]: _COUNT.unpack(value)[0] for key, value in found}

    def _write(self) -> None:
        self._program.put("settings", _INDEX.pack(0), self._unique + self._prefix + b"".join(self._keys))


@contextlib.contextmanager
def checking(
    interface: str, unique: str, prefix: str, work: Path, log: CommandLog, *, drops: bool = True
) -> Iterator[JoinCheck]:
    """Check what arrives at an interface of this process's namespace until the block ends.

    `prefix` is the server's, of 64 bits, and none of `unique`, its one plain address, which nobody is told any more.
    The compiled program goes to `work`. Without `drops` nothing is checked. Raises `CommandError`, `TestbedError`.
    """
    binary = bpf.compiled(_SOURCE, "join_check", {}, work, log)
    with bpf.loaded(binary, _PROGRAM) as loaded:
        check = JoinCheck(loaded, unique, prefix)
        with loaded.at_arrival(interface) if drops else contextlib.nullcontext():
            yield check


def probe() -> None:
    """Compile a check, attach it, and take it away."""
    with (
        tempfile.TemporaryDirectory() as work,
        checking("lo", "fd00:255::1", "fd00:254::/64", Path(work), CommandLog()),
    ):
        pass
