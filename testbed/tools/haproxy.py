"""HAProxy on a director: its configuration, and what its administrator tells it while it runs.

Sources: HAProxy 2.6's configuration manual, and its management guide, section 9.3 (`set server`, `show servers state`).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from testbed.base.errors import ReadbackError, TestbedError
from testbed.base.needs import program
from testbed.net.netns import Node
from testbed.process import CommandLog, Process
from testbed.tools import proxying
from testbed.tools.proxying import Proxied

NEED = program("haproxy", package="haproxy", purpose="a proxy in front of the servers")

State = Literal["ready", "drain", "maint"]
"""Of a server: it gets connections; none from now on; none, by order of the administrator. Open ones go on."""

# One thread, so that nothing depends on which of several is woken. Who is silent for long, the workload says.
_CONFIG = """\
global
    nbthread 1
    maxconn 8192
    stats socket {socket} mode 600 level admin

defaults
    mode {mode}
    timeout connect 5s
    timeout client 1h
    timeout server 1h

frontend service
    bind {listens_at}
    default_backend servers

backend servers
    balance roundrobin
    option redispatch
{servers}
"""
_ADMIN_BITS: Mapping[State, int] = {"ready": 0, "maint": 0x01, "drain": 0x08}  # SRV_ADMF_FMAINT, SRV_ADMF_FDRAIN
_ANSWER_S = 30.0


def config(service: Proxied, node: str) -> str:
    """The configuration of the proxy on a node."""
    servers = "\n".join(f"    server {name} {service.connects_to(name)}" for name in service.servers)
    place = _socket(service.work, node)
    return _CONFIG.format(socket=place, mode=service.mode, listens_at=service.listens_at, servers=servers)


@contextlib.contextmanager
def serving(node: Node, service: Proxied, *, mptcp: bool, log: CommandLog) -> Iterator[Process]:
    """Run it on the node until the block ends; raises as `proxying.running`."""
    file = service.work / f"haproxy-{node.name}.cfg"
    file.write_text(config(service, node.name))
    with proxying.running(node, ["haproxy", "-db", "-f", str(file)], service, mptcp=mptcp, log=log) as process:
        yield process


def set_servers(work: Path, node: str, wanted: Mapping[str, State]) -> dict[str, str]:
    """Have the servers of the proxy on a node so; returns what reads back. Raises `ReadbackError`."""
    for name, state in wanted.items():
        tell(work, node, f"set server servers/{name} state {state}")
    found = _states(tell(work, node, "show servers state servers"))
    bits = {name: _ADMIN_BITS[state] for name, state in wanted.items()}
    if found != bits:
        raise ReadbackError(f"servers of haproxy on {node}", bits, found)
    return dict(wanted)


def tell(work: Path, node: str, line: str) -> str:
    """Tell the proxy on a node something; its answer. Raises `TestbedError`."""
    try:
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(_ANSWER_S)
            admin.connect(str(_socket(work, node)))
            admin.sendall(f"{line}\n".encode())
            said = b"".join(iter(lambda: admin.recv(1 << 16), b""))
    except OSError as error:
        raise TestbedError(f"haproxy on {node}: {line}: {error.strerror or error}") from error
    return said.decode(errors="replace").strip()


def _states(said: str) -> dict[str, int]:
    """The administrator's bits of each server, as `show servers state` has them: the seventh column."""
    rows = [line.split() for line in said.splitlines() if line and not line.startswith("#")]
    return {row[3]: int(row[6]) for row in rows if len(row) > 6}


def _socket(work: Path, node: str) -> Path:
    return work / f"haproxy-{node}.sock"
