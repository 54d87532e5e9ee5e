"""BIRD, a routing daemon, on a node: its files in a directory of the run, told and asked by `birdc`.

It reads and writes nothing of the machine's own: neither /etc/bird nor /run/bird.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import ReadbackError
from testbed.base.needs import program
from testbed.net.netns import Node
from testbed.process import CommandLog, Process, run

NEEDS = frozenset(
    program(name, package="bird2", purpose="a routing daemon on each router") for name in ("bird", "birdc")
)

_RECONFIGURED = ("0003", "0004", "0018")
"""Codes of `birdc -v`: reconfigured, in progress, nothing to do."""


@dataclass(frozen=True)
class Daemon:
    """A running BIRD: its node, the directory with its files."""

    node: Node
    work: Path
    log: CommandLog

    def write(self, name: str, content: str) -> bool:
        """Make this the content of one of its files; whether it was another one."""
        path = self.work / name
        if path.exists() and path.read_text() == content:
            return False
        path.write_text(content)
        return True

    def reconfigure(self) -> None:
        """Have it read its files again; raises `ReadbackError` if it does not like them."""
        said = self._ask("-v", "configure")
        if not any(line.startswith(_RECONFIGURED) for line in said.splitlines()):
            raise ReadbackError(f"configuration of BIRD on {self.node.name}", "reconfigured", said.strip())

    def show(self, *words: str) -> list[str]:
        """The lines that it answers to `show ...`."""
        return self._ask("-r", "show", *words).splitlines()[1:]

    def _ask(self, option: str, *words: str) -> str:
        return run(["birdc", option, "-s", str(control(self.work, self.node)), *words], log=self.log).stdout


def control(work: Path, node: Node) -> Path:
    """The socket by which it is told."""
    return work / f"{node.name}.ctl"


@contextlib.contextmanager
def routing(node: Node, configuration: str, work: Path, log: CommandLog, timeout_s: float = 30.0) -> Iterator[None]:
    """Run BIRD on the node until the block ends, with all of its files in `work`.

    Returns once it can be told something. Raises `GuestTimeout` if it cannot within `timeout_s`, and `CommandError` if
    it ends before it is stopped.
    """
    config, said = (work / f"{node.name}.{kind}" for kind in ("conf", "log"))
    config.write_text(configuration)
    socket, pid = control(work, node), work / f"{node.name}.pid"
    argv = ["bird", "-f", "-c", str(config), "-s", str(socket), "-P", str(pid)]
    with (
        said.open("wb") as out,
        Process(node.enter(*argv), stdout=out, stderr=subprocess.STDOUT, log=log, keeps_id=False) as process,
    ):
        process.wait_until(socket.exists, f"BIRD on {node.name}", said=said, timeout_s=timeout_s)
        yield
        process.must_run(said)
