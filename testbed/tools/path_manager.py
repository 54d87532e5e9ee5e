"""The userspace path manager (`testbed.path_manager`) on a server, its journal kept with the point's output."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from testbed.base.errors import CommandError
from testbed.net.join_check import OUTCOMES
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.netns import Node
from testbed.path_manager.figure4 import Settings
from testbed.path_manager.options import Options, OwnAddresses
from testbed.path_manager.service import Task
from testbed.process import CommandLog, Process


def command(
    unique: str,
    journal: Path,
    *,
    port: int = 0,
    backup: bool = True,
    close_initial: bool = False,
    repeat_s: float = 0.0,
    receive_buffer_bytes: int = 0,
    own_addresses: OwnAddresses | None = None,
) -> list[str]:
    """The argv; 0 stands for the daemon's own default."""
    settings = Settings((SocketAddress(unique, port),), backup=backup, close_initial=close_initial, repeat_s=repeat_s)
    options = Options(receive_buffer_bytes=receive_buffer_bytes) if receive_buffer_bytes else Options()
    return Task(settings, options, journal).argv(own_addresses)


@contextlib.contextmanager
def managing(
    node: Node,
    unique: str,
    output: Path,
    *,
    port: int = 0,
    backup: bool = True,
    close_initial: bool = False,
    repeat_s: float = 0.0,
    receive_buffer_bytes: int = 0,
    own_addresses: OwnAddresses | None = None,
    log: CommandLog,
    timeout_s: float = 60.0,
) -> Iterator[Process]:
    """Run the daemon on the node until the block ends; the node's `net.mptcp.pm_type` must be 1.

    Yields once it is ready. `output` gets `path-manager-NODE.jsonl`, its journal, and `.txt`, what it
    said. Raises `GuestTimeout` if it is not ready within `timeout_s`, and `CommandError` if it ends before
    it is told to: what was measured then is not what was meant.
    """
    journal, said = (output / f"path-manager-{node.name}.{kind}" for kind in ("jsonl", "txt"))
    argv = command(
        unique,
        journal,
        port=port,
        backup=backup,
        close_initial=close_initial,
        repeat_s=repeat_s,
        receive_buffer_bytes=receive_buffer_bytes,
        own_addresses=own_addresses,
    )
    with (
        said.open("wb") as out,
        Process(node.enter(*argv), stdout=out, stderr=subprocess.STDOUT, log=log, keeps_id=False) as process,
    ):
        process.wait_until(partial(_is_ready, said), f"path manager on {node.name}", said=said, timeout_s=timeout_s)
        yield process
        process.must_run(said)
        if (status := process.stop()) != 0:
            raise CommandError(process.argv, status, said.read_text())


def counted(node: Node, output: Path) -> dict[str, int]:
    """What the daemon of `managing` has counted of SYNs, if each connection had an address of its own."""
    *_, last = (output / f"path-manager-{node.name}.jsonl").read_text().splitlines()
    told = json.loads(last)
    return {name: told[name] for name in OUTCOMES if name in told}


def _is_ready(said: Path) -> bool:
    return "ready" in said.read_text().splitlines()
