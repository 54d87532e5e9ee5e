"""A job on the other machine that has the user's terminal: a channel with a terminal there, and bytes both ways.

Unlike other jobs it needs the connection: it ends with it (`testbed.labs.ssh.remote.shell`).
"""

from __future__ import annotations

import os
from typing import Any

from testbed.base.errors import LabError
from testbed.base.text import parse_json
from testbed.labs.ssh.connection import Connection, ConnectionLost
from testbed.labs.ssh.remote import layout
from testbed.labs.terminal import Terminal

_POLL_S = 0.05
_END_BYTES = 1 << 24


def run(connection: Connection, command: str, terminal: Terminal) -> None:
    """Run the command with the user's terminal to its end; raises `ConnectionLost`.

    Every key goes there as it is, Ctrl-C too, and the terminal there gets the size of the user's.
    """
    rows, columns = size = terminal.size()
    screen = (os.environ.get("TERM", "dumb"), rows, columns)
    with connection.channel(command, screen) as channel, terminal.raw():
        while channel.recv_ready() or not (channel.eof_received or channel.closed):
            terminal.exchange(channel.fileno(), channel.recv, channel.sendall, _POLL_S)
            if terminal.size() != size:
                rows, columns = size = terminal.size()
                channel.resize_pty(width=columns, height=rows)
    if not connection.is_open:
        raise ConnectionLost(f"{connection.address}: the connection was lost, and the shell with it")


def end_of(connection: Connection, folder: str) -> dict[str, Any]:
    """How the job in a folder there ended (`testbed.labs.ssh.remote.job`); raises `LabError` if nothing says so."""
    with connection.files() as files:
        try:
            with files.open(f"{folder}/{layout.END}") as file:
                end = parse_json(file.read(_END_BYTES))
        except FileNotFoundError:
            raise LabError(f"{connection.address}: the shell ended without a word") from None
        except ValueError:
            raise LabError(f"{connection.address}: how the shell ended makes no sense") from None
    return end if isinstance(end, dict) else {}
