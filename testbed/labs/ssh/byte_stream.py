"""The byte stream to a host: a TCP connection, a program (ProxyCommand), or a channel through others (ProxyJump)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from testbed.base.errors import TestbedError
from testbed.base.text import plain
from testbed.labs.ssh.address import Address
from testbed.process import Process, run

DEAD_AFTER_S = 20.0
_GRACE_S = 1.0
_STDERR_BYTES = 4096
_PAUSE_S = 1.0
_IP_S = 10.0
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}


@dataclass(frozen=True)
class ByteStream:
    """A stream to the host's sshd, and how to end it for certain (more than once does no harm).

    `peer` is the numeric address of a direct connection; `last_error` is the last line that a proxy program wrote to
    its standard error.
    """

    sock: socket.socket | paramiko.Channel
    close: Callable[[], None]
    peer: str = ""
    last_error: Callable[[], str] = lambda: ""


def direct(address: Address) -> ByteStream:
    """A TCP connection; raises OSError. ConnectionAttempts are made a second apart, as OpenSSH does."""
    for _ in range(address.attempts - 1):
        with contextlib.suppress(OSError):
            return _dial(address)
        time.sleep(_PAUSE_S)
    return _dial(address)


def _dial(address: Address) -> ByteStream:
    # As bytes: Python would make an internationalised name of it first, and has no name for one that is too long.
    host = os.fsencode(address.hostname)
    failure = OSError("no address")
    for family, kind, protocol, _name, where in socket.getaddrinfo(
        host, address.port, _FAMILIES[address.family], socket.SOCK_STREAM
    ):
        stream = socket.socket(family, kind, protocol)
        try:
            stream.settimeout(address.connect_s)
            if source := _source(address, family):
                stream.bind(socket.getaddrinfo(source, 0, family, kind)[0][4])
            stream.connect(where)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(DEAD_AFTER_S * 1000))
        except OSError as error:
            stream.close()
            failure = error
        else:
            return ByteStream(stream, stream.close, str(where[0]))
    raise failure


def _source(address: Address, family: int) -> str:
    """Where the connection comes from, if BindAddress or BindInterface says so; raises OSError."""
    if address.bind_address or not address.bind_interface:
        return address.bind_address
    try:
        said = json.loads(run(["ip", "-j", "address", "show", "dev", address.bind_interface], timeout_s=_IP_S).stdout)
    except TestbedError as error:
        raise OSError(0, f"BindInterface {address.bind_interface}: {error.message}") from error
    wanted = "inet6" if family == socket.AF_INET6 else "inet"
    for each in (info for entry in said for info in entry.get("addr_info", [])):
        if each["family"] == wanted and (wanted == "inet" or each["scope"] != "link"):
            return str(each["local"])
    raise OSError(0, f"BindInterface {address.bind_interface} has no address of this family")


def through_program(address: Address) -> ByteStream:
    """A ProxyCommand, run by the user's shell as OpenSSH does; raises `TestbedError`, OSError."""
    shell = os.environ.get("SHELL") or "/bin/sh"
    ours, theirs = socket.socketpair()
    complaints, their_complaints = os.pipe()
    try:
        process = Process(
            [shell, "-c", f"exec {address.proxy_command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=their_complaints,
        )
    except BaseException:
        ours.close()
        os.close(complaints)
        raise
    finally:
        theirs.close()
        os.close(their_complaints)
    stderr = _StderrTail(complaints)
    end = contextlib.ExitStack()  # it does its work once, however often it is closed
    end.callback(process.stop, first=signal.SIGHUP, grace_s=_GRACE_S)
    end.callback(ours.close)
    if not address.passes_socket:
        return ByteStream(ours, end.close, last_error=stderr.last_line)
    with end:
        ours.settimeout(address.connect_s)
        _data, handles, _flags, _from = socket.recv_fds(ours, 1, 1)
        if not handles:
            raise OSError(0, f"ProxyUseFdpass: the program passes no socket {stderr.last_line()}".rstrip())
    stream = socket.socket(fileno=handles[0])
    return ByteStream(stream, stream.close)


class _StderrTail:
    """What a program complains of: the end of it is kept, the rest is read, so that it never waits for us."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._kept = b""
        self._thread = threading.Thread(target=self._read, name="proxy-stderr", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with os.fdopen(self._handle, "rb", buffering=0) as file:
            while data := file.read(_STDERR_BYTES):
                self._kept = (self._kept + data)[-_STDERR_BYTES:]

    def last_line(self) -> str:
        """The last line, in brackets; empty if there is none."""
        self._thread.join(_GRACE_S)
        lines = [line.strip() for line in self._kept.decode(errors="replace").splitlines() if line.strip()]
        return f"({plain(lines[-1])})" if lines else ""


def through_channel(address: Address, hop: paramiko.Transport, end: Callable[[], None]) -> ByteStream:
    """A channel of a connection to the last jump host, which `end` ends; raises `paramiko.SSHException`."""
    try:
        channel = hop.open_channel(
            "direct-tcpip", (address.hostname, address.port), ("127.0.0.1", 0), timeout=address.connect_s
        )
    except BaseException:
        end()
        raise

    def close() -> None:
        # It says so to the other end, which may be gone.
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            channel.close()
        end()

    return ByteStream(channel, close)
