"""The client of an exploration: one download as `ab` makes it, with changes at moments of its life."""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from testbed.net.netns import Node, inside
from testbed.timer import Timer

PORT = 20000
"""The client's port of every connection: what spreads flows by a hash does the same with each."""

_MPTCP = 262  # IPPROTO_MPTCP
_READ_BYTES = 1 << 18
_GIVEN_UP = "ETIME"
_AT_ONCE = struct.pack("ii", 1, 0)  # a linger of no time: what is left of the connection is reset


@dataclass(frozen=True)
class Target:
    """What is loaded: the service's address and port, the family of the socket, the page, and its bytes."""

    address: str
    port: int
    ipv6: bool
    mptcp: bool
    page: str
    content: bytes

    @property
    def request(self) -> bytes:
        """As `ab` asks."""
        lines = (f"GET /{self.page} HTTP/1.0", f"Host: {self.address}:{self.port}", "User-Agent: ApacheBench/2.3")
        return "\r\n".join((*lines, "Accept: */*", "", "")).encode()


@dataclass(frozen=True)
class Loaded:
    """How a download ended: after how long, None if it had no end in time; the socket's error; what came.

    `began_s` is its start, on the monotonic clock.
    """

    began_s: float
    done_s: float | None
    error: str
    received_bytes: int
    intact: bool


def load(
    client: Node,
    target: Target,
    timer: Timer,
    *,
    bound_s: float,
    changes: Sequence[tuple[float, Callable[[], None]]] = (),
) -> Loaded:
    """Load the page once; `changes` are done so many seconds after the connection's start, if it lasts so long.

    A download that is not over after `bound_s` is given up, and its connection reset.
    """
    with inside(client):
        opened = socket.socket(
            socket.AF_INET6 if target.ipv6 else socket.AF_INET, socket.SOCK_STREAM, _MPTCP if target.mptcp else 0
        )
    with opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(("", PORT))
        opened.setblocking(False)
        return _Download(opened, target, timer).run(bound_s, changes)


class _Download:
    def __init__(self, opened: socket.socket, target: Target, timer: Timer) -> None:
        self._socket, self._target, self._timer = opened, target, timer
        self._asked, self._received = False, bytearray()

    def run(self, bound_s: float, changes: Sequence[tuple[float, Callable[[], None]]]) -> Loaded:
        began_ns = time.monotonic_ns()
        pending = [(began_ns + round(at_s * 1e9), act) for at_s, act in changes]
        pending.append((began_ns + round(bound_s * 1e9), self._give_up))
        pending.sort(key=lambda each: each[0])
        error = self._connect()
        ended = bool(error)
        try:
            while not ended:
                ended = self._go_on(pending)
        except OSError as failed:
            error = errno.errorcode.get(failed.errno or 0, str(failed))
        done_s = (time.monotonic_ns() - began_ns) / 1e9
        head, _, body = bytes(self._received).partition(b"\r\n\r\n")
        intact = b" 200 " in head[:20] and body == self._target.content
        if error:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        over = error == _GIVEN_UP
        return Loaded(began_ns / 1e9, None if over else done_s, "" if over else error, len(body), intact)

    def _connect(self) -> str:
        code = self._socket.connect_ex((self._target.address, self._target.port))
        return "" if code in (0, errno.EINPROGRESS) else errno.errorcode.get(code, str(code))

    def _go_on(self, pending: list[tuple[int, Callable[[], None]]]) -> bool:
        """Wait for what comes next and deal with it; whether that was the end. Raises OSError."""
        self._timer.set(pending[0][0])
        connection, timer = self._socket.fileno(), self._timer.fileno()
        waiting = [] if self._asked else [connection]
        readable, writable, _ = select.select([connection, timer], waiting, [])
        if timer in readable:
            pending.pop(0)[1]()
            return False
        if writable:
            if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, "connect")
            self._socket.send(self._target.request)
            self._asked = True
            return False
        piece = self._socket.recv(_READ_BYTES)
        self._received += piece
        return not piece

    def _give_up(self) -> None:
        raise OSError(errno.ETIME, "no end in time")
