"""One connection to a host: opened with every check, commands and files over it, one kind of error when it breaks.

`ConnectionLost` is what a network does; whoever holds the connection may make another one (`testbed.labs.ssh.line`).
Every wait has a limit: a dead network path is noticed by TCP itself (`TCP_USER_TIMEOUT`) through the keepalives.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import paramiko

from testbed.errors import LabError, PrerequisiteError, UsageError
from testbed.labs.base import Cancel
from testbed.labs.ssh import authentication, host_keys
from testbed.labs.ssh.address import Address, read_configuration, resolve
from testbed.labs.ssh.target import parse

KEEPALIVE_S = 5
DEAD_AFTER_S = 20.0
_HANDSHAKE_S = 30.0
_POLL_S = 0.01
_PATIENT_POLL_S = 1.0
_CHUNK = 1 << 16
_ERRANDS_AT_ONCE = 3  # an sshd allows ten channels by default (MaxSessions)
_MAX_JUMPS = 5

# paramiko logs tracebacks of broken connections, which are ours to explain.
_log = logging.getLogger("testbed.ssh")
_log.addHandler(logging.NullHandler())
_log.propagate = False


class ConnectionLost(LabError):
    """The connection cannot be made, or broke."""


@dataclass(frozen=True)
class Answer:
    """What a command on the host printed, and its exit status."""

    status: int
    stdout: bytes
    stderr: bytes


class Connection:
    """An open connection; `close` may be called from any thread and twice."""

    def __init__(self, address: Address, transport: paramiko.Transport) -> None:
        self.address = address
        self._transport = transport
        self._errands = threading.BoundedSemaphore(_ERRANDS_AT_ONCE)
        self._files = threading.Lock()
        self._sftp: paramiko.SFTPClient | None = None
        self._talking = threading.Lock()
        self._talks: dict[str, paramiko.Channel] = {}

    @property
    def is_open(self) -> bool:
        """Whether it is not known to be broken."""
        return self._transport.is_active()

    def close(self) -> None:
        """End it; whoever waits on it gets `ConnectionLost`."""
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self._transport.close()

    @contextlib.contextmanager
    def channel(self, command: str, screen: tuple[str, int, int] | None = None) -> Iterator[paramiko.Channel]:
        """A running command; raises `ConnectionLost`.

        It has a terminal there if `screen` says what `TERM` is, and how many rows and columns.
        """
        with self.errors():
            channel = self._transport.open_session(timeout=_HANDSHAKE_S)
            try:
                channel.settimeout(DEAD_AFTER_S)
                if screen is not None:
                    channel.get_pty(screen[0], height=screen[1], width=screen[2])
                channel.exec_command(command)
                yield channel
            finally:
                channel.close()

    @contextlib.contextmanager
    def errand(self, command: str) -> Iterator[paramiko.Channel]:
        """A running command that ends soon, a few at a time; raises `ConnectionLost`."""
        with self._errands, self.channel(command) as channel:
            yield channel

    def run(self, command: str, stdin: bytes = b"", *, limit_s: float = 60.0, cancel: Cancel | None = None) -> Answer:
        """Run a command to its end; its standard input stays open until then, so that it can tell when we are gone.

        Raises `ConnectionLost`, `LabError` after `limit_s` seconds, `RunInterrupted`.
        """
        deadline = time.monotonic() + limit_s
        with self.errand(command) as channel:
            channel.sendall(stdin)
            out, err = bytearray(), bytearray()
            while not channel.closed or channel.recv_ready() or channel.recv_stderr_ready():
                moved = _take(channel.recv_ready, channel.recv, out)
                moved |= _take(channel.recv_stderr_ready, channel.recv_stderr, err)
                if moved:
                    continue
                if channel.exit_status_ready() and channel.eof_received:
                    break
                if not self._transport.is_active():
                    raise ConnectionLost(f"{self.address}: the connection was lost")
                if cancel is not None:
                    cancel.raise_if_set()
                if time.monotonic() > deadline:
                    raise LabError(f"{self.address}: no end within {limit_s:g} s: {command.split()[-1]}")
                time.sleep(_POLL_S)
            status = channel.recv_exit_status() if channel.exit_status_ready() else -1
            if status == -1 and not self._transport.is_active():
                raise ConnectionLost(f"{self.address}: the connection was lost")
            return Answer(status, bytes(out), bytes(err))

    def converse(self, command: str, line: bytes, *, limit_s: float) -> Answer:
        """Say a line to a command that answers each line with one, and is started once per connection.

        It may end when nothing is said for long. Raises `ConnectionLost`, and `LabError` after `limit_s` seconds.
        """
        with self._talking, self.errors():
            channel = self._talks.get(command)
            if channel is None or channel.closed or channel.exit_status_ready():
                channel = self._talks[command] = self._transport.open_session(timeout=_HANDSHAKE_S)
                channel.exec_command(command)
            try:
                channel.settimeout(DEAD_AFTER_S)
                channel.sendall(line)
                return self._listen(channel, limit_s)
            except BaseException:
                del self._talks[command]
                channel.close()
                raise

    def _listen(self, channel: paramiko.Channel, limit_s: float) -> Answer:
        """The next line; what there is, with the status, if the command has ended."""
        deadline = time.monotonic() + limit_s
        channel.settimeout(_PATIENT_POLL_S)
        said = bytearray()
        while not said.endswith(b"\n"):
            try:
                data = channel.recv(_CHUNK)
            except TimeoutError:
                data = None
                if time.monotonic() > deadline:
                    raise LabError(f"{self.address}: no answer within {limit_s:g} s") from None
            if data == b"":
                if not self._transport.is_active() or not channel.exit_status_ready():
                    raise ConnectionLost(f"{self.address}: the connection was lost")
                return Answer(channel.recv_exit_status(), bytes(said), channel.recv_stderr(_CHUNK))
            said += data or b""
        return Answer(0, bytes(said), b"")

    @contextlib.contextmanager
    def files(self) -> Iterator[paramiko.SFTPClient]:
        """The host's files, for one user at a time; raises `ConnectionLost`, `PrerequisiteError` without SFTP."""
        with self._files, self.errors():
            if self._sftp is None:
                try:
                    self._sftp = paramiko.SFTPClient.from_transport(self._transport)
                except paramiko.ChannelException as error:
                    raise ConnectionLost(f"{self.address}: {error}") from error
                except (paramiko.SSHException, EOFError) as error:
                    if not self._transport.is_active():
                        raise
                    raise PrerequisiteError(
                        f"{self.address}: it has no SFTP", hint="install openssh-sftp-server there"
                    ) from error
                assert self._sftp is not None
                channel = self._sftp.get_channel()
                assert channel is not None
                channel.settimeout(DEAD_AFTER_S)
            try:
                yield self._sftp
            except BaseException:
                # It may wait for answers that were given up.
                self._sftp.close()
                self._sftp = None
                raise

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Inside, what paramiko says of a broken connection becomes `ConnectionLost`."""
        try:
            yield
        except (paramiko.SSHException, EOFError, TimeoutError) as error:
            raise ConnectionLost(f"{self.address}: the connection was lost: {_text(error)}") from error
        except OSError as error:
            if self._transport.is_active() and not isinstance(error, ConnectionError):
                raise
            raise ConnectionLost(f"{self.address}: the connection was lost: {_text(error)}") from error


def _take(ready: Callable[[], bool], receive: Callable[[int], bytes], into: bytearray) -> bool:
    if not ready():
        return False
    data = receive(_CHUNK)
    into += data
    return bool(data)


def connect(address: Address, depth: int = 0) -> Connection:
    """A connection whose host key is known and where a key of ours was accepted.

    Raises `ConnectionLost` when the host cannot be reached, `HostKeyRefused`, `AuthenticationRefused`, `ConfigError`.
    """
    known = host_keys.load(address)
    try:
        carrier = _carrier(address, depth)
        transport = paramiko.Transport(carrier)
    except (OSError, paramiko.SSHException, EOFError) as error:
        raise ConnectionLost(f"{address}: cannot be reached: {_text(error)}", hint=_advice(error)) from error
    try:
        transport.set_log_channel(_log.name)
        transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = _HANDSHAKE_S
        options = transport.get_security_options()
        options.key_types = host_keys.algorithms(known, tuple(options.key_types))
        transport.start_client(timeout=_HANDSHAKE_S)
        host_keys.check(transport.get_remote_server_key(), address, known)
        authentication.authenticate(transport, address)
        transport.set_keepalive(KEEPALIVE_S)
    except (paramiko.SSHException, OSError, EOFError) as error:
        transport.close()
        raise ConnectionLost(f"{address}: no SSH connection: {_text(error)}") from error
    except BaseException:
        transport.close()
        raise
    return Connection(address, transport)


def _carrier(address: Address, depth: int) -> socket.socket | paramiko.Channel | paramiko.ProxyCommand:
    """What carries the connection: a socket, a program (ProxyCommand), or a channel through other hosts (ProxyJump)."""
    if address.proxy_command:
        proxy = paramiko.ProxyCommand(address.proxy_command)
        proxy.settimeout(_HANDSHAKE_S)
        return proxy
    if address.proxy_jump:
        if depth >= _MAX_JUMPS:
            raise UsageError(f"{address}: more than {_MAX_JUMPS} ProxyJumps, one inside the other")
        return _through(address, depth)
    carrier = socket.create_connection((address.hostname, address.port), address.connect_s)
    carrier.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    carrier.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(DEAD_AFTER_S * 1000))
    return carrier


def _through(address: Address, depth: int) -> paramiko.Channel:
    """A channel to the address through its jump hosts, each checked like any other host."""
    *before, last = address.proxy_jump
    jump = resolve(parse(last.removeprefix("ssh://")), read_configuration())
    if before:
        jump = Address(**{**vars(jump), "proxy_jump": tuple(before)})
    hop = connect(jump, depth + 1)
    transport = hop._transport
    channel = transport.open_channel(
        "direct-tcpip", (address.hostname, address.port), ("127.0.0.1", 0), timeout=address.connect_s
    )
    # The channel lives as long as its transport, and ends it.
    close = channel.close

    def close_both() -> None:
        # It says so to the other end, which may be gone.
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            close()
        hop.close()

    channel.close = close_both  # type: ignore[method-assign]
    return channel


def _advice(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host: see its name, and HostName in ~/.ssh/config"
    if getattr(error, "errno", None) == errno.ECONNREFUSED:
        return "does sshd run there, and on that port?"
    return ""


def _text(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, EOFError):
        return "the other side hung up"
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
