"""`ip monitor route` on a node: every route that a routing daemon gives its kernel, or takes away, and when."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from testbed.base.errors import AnalysisError
from testbed.net.netns import Node
from testbed.process import CommandLog, Process, wait_until

_ROUTES = 0x40
"""RTMGRP_IPV4_ROUTE, include/uapi/linux/rtnetlink.h."""
_BIRD = 12
"""RTPROT_BIRD, in the same file."""

_LINE = re.compile(r"\[(?P<time>[0-9T:.-]+)\] (?P<deleted>Deleted )?(?P<destination>\S+) (?P<rest>.*)")


@dataclass(frozen=True)
class Seen:
    """A daemon's route that was set or deleted, `epoch_s` seconds after 1970; `via`: gateways, or the interface."""

    epoch_s: float
    deleted: bool
    destination: str
    via: tuple[str, ...]


@contextlib.contextmanager
def watching(node: Node, said: Path, log: CommandLog, timeout_s: float = 30.0) -> Iterator[None]:
    """Leave in `said` what `ip monitor route` says of the node until the block ends.

    Returns once it listens; raises `GuestTimeout` if it does not within `timeout_s`, `CommandError` if it ends early.
    """
    before = _listeners(node)
    argv = node.enter("ip", "-4", "-N", "-o", "-tshort", "monitor", "route")
    env = {**os.environ, "TZ": "UTC"}
    with said.open("wb") as out, Process(argv, stdout=out, env=env, log=log, keeps_id=False) as process:
        wait_until(
            lambda: _listeners(node) > before or process.poll() is not None,
            f"ip monitor on {node.name}",
            timeout_s=timeout_s,
        )
        yield
        process.must_run(said)


def _listeners(node: Node) -> int:
    """How many sockets of the node's namespace are told of routes (net/netlink/af_netlink.c, /proc/net/netlink)."""
    rows = (line.split() for line in node.read("netlink").splitlines()[1:])
    return sum(int(row[3], 16) & _ROUTES != 0 for row in rows if row[1] == "0")


def read(said: Path) -> list[Seen]:
    """What a daemon did, by what `watching` has left; raises AnalysisError for a line that cannot be understood."""
    found = []
    for number, line in enumerate(said.read_text(errors="replace").splitlines(), start=1):
        row = _LINE.fullmatch(line.strip())
        if row is None:
            raise AnalysisError(f"{said.name}:{number}: no route: {line[:80]!r}")
        if f"proto {_BIRD} " not in f"{row['rest']} ":
            continue
        via = re.findall(r"via (\S+)", row["rest"]) or re.findall(r"dev (\S+)", row["rest"])
        moment = datetime.fromisoformat(row["time"]).replace(tzinfo=UTC).timestamp()
        found.append(Seen(moment, bool(row["deleted"]), row["destination"], tuple(via)))
    return found
