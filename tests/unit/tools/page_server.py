"""A small web server of the loopback: `/N` is a page of N bytes.

Of `/N/cut` each third ends half-way, of `/N/reset` with a RST, but none of the first: `ab` takes the length of the page
that is over first for that of all of them.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator

WHOLE = 6
"""So many of a server's first pages are whole."""


class _Request(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        said = b""
        while b"\r\n\r\n" not in said:
            if not (more := self.request.recv(65536)):
                return
            said += more
        head, _, body = said.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        missing = int(fields.get(b"content-length", b"0")) - len(body)
        while missing > 0 and (more := self.request.recv(65536)):
            missing -= len(more)
        _, number, *how = head.split(b" ")[1].decode().split("/")
        content = pattern(int(number))
        is_bad = bool(how) and (count := next(self.server.requests)) % 3 == 2 and count >= WHOLE
        if is_bad:
            content = content[: len(content) // 2]
        self.request.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % int(number) + content)
        if is_bad and how == ["reset"]:
            # When the client has read all that there is: what `ab` does with a reset before that, it does by chance.
            time.sleep(0.3)
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.requests = itertools.count()

    def shutdown_request(self, request: socket.socket) -> None:
        """Close it: a FIN before the RST would be an ordinary end."""
        request.close()


@functools.cache
def pattern(size: int) -> bytes:
    """So many bytes, of which no two stretches are alike."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The server until the block ends; its address as the start of a URL."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
