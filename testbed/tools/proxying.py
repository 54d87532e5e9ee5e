"""What proxies have in common: whom they are told to listen for and to connect to, and how they are started."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from testbed.base.families import family_of, in_url
from testbed.net import sockets
from testbed.net.netns import Node
from testbed.process import CommandLog, Process

Mode = Literal["http", "tcp"]
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Proxied:
    """A service: its address and port, the servers' addresses by their names, and what is read of it.

    `mode` is `http` for requests, `tcp` for bytes. Its files are in `work`.
    """

    address: str
    port: int
    servers: Mapping[str, str]
    mode: Mode
    work: Path

    @property
    def listens_at(self) -> str:
        """As configurations have it."""
        return f"{in_url(self.address)}:{self.port}"

    def connects_to(self, server: str) -> str:
        """A server's address and port, as configurations have them."""
        return f"{in_url(self.servers[server])}:{self.port}"


@contextlib.contextmanager
def running(node: Node, argv: Sequence[str], service: Proxied, *, mptcp: bool, log: CommandLog) -> Iterator[Process]:
    """Run a proxy on a node until the block ends; returns once it listens.

    With `mptcp` all its sockets are of MPTCP, those to the servers as well. Raises `CommandError` with what it says
    if it does not start, and `GuestTimeout` if it does not listen in time.
    """
    complaints = service.work / f"{argv[0]}-{node.name}.txt"
    wrapped = [*(["mptcpize", "run"] if mptcp else []), *argv]
    ipv6 = family_of(service.address) == "ipv6"
    with complaints.open("wb") as err, Process(node.enter(*wrapped), stderr=err, log=log, keeps_id=False) as process:
        process.wait_until(
            lambda: sockets.listens(node, service.port, ipv6=ipv6),
            f"{argv[0]} on {node.name}",
            said=complaints,
            timeout_s=_TIMEOUT_S,
        )
        yield process
