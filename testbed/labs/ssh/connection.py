"""One connection to a host: commands and files over it, one kind of error when it breaks.

`ConnectionLost` is what a network does; whoever holds the connection may make another one
(`testbed.labs.ssh.reconnection`). Every wait has a limit: a dead network path is noticed by TCP itself
(`TCP_USER_TIMEOUT`) through the keepalives.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import paramiko

from testbed.base.errors import LabError, PrerequisiteError
from testbed.base.text import plain
from testbed.labs.base import Cancel
from testbed.labs.ssh.address import Address
from testbed.labs.ssh.byte_stream import DEAD_AFTER_S, ByteStream

HANDSHAKE_S = 30.0
_POLL_S = 0.01
_PATIENT_POLL_S = 1.0
_CHUNK = 1 << 16
_ANSWER_BYTES = 1 << 26
_SHORT_CHANNELS = 3  # an sshd allows ten channels by default (MaxSessions)


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

    def __init__(self, address: Address, transport: paramiko.Transport, stream: ByteStream) -> None:
        self.address = address
        self.transport = transport
        self._stream = stream
        self._short_channels = threading.BoundedSemaphore(_SHORT_CHANNELS)
        self._files = threading.Lock()
        self._sftp: paramiko.SFTPClient | None = None
        self._requests = threading.Lock()
        self._responders: dict[str, paramiko.Channel] = {}

    @property
    def is_open(self) -> bool:
        """Whether it is not known to be broken."""
        return self.transport.is_active()

    def close(self) -> None:
        """End it; whoever waits on it gets `ConnectionLost`."""
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self.transport.close()
        self._stream.close()

    @contextlib.contextmanager
    def channel(self, command: str, screen: tuple[str, int, int] | None = None) -> Iterator[paramiko.Channel]:
        """A running command; raises `ConnectionLost`.

        It has a terminal there if `screen` says what `TERM` is, and how many rows and columns.
        """
        with self.errors():
            channel = self.transport.open_session(timeout=HANDSHAKE_S)
            try:
                channel.settimeout(DEAD_AFTER_S)
                if screen is not None:
                    channel.get_pty(screen[0], height=screen[1], width=screen[2])
                channel.exec_command(command)
                yield channel
            finally:
                channel.close()

    @contextlib.contextmanager
    def short_channel(self, command: str) -> Iterator[paramiko.Channel]:
        """A running command that ends soon, a few at a time; raises `ConnectionLost`."""
        with self._short_channels, self.channel(command) as channel:
            yield channel

    def run(self, command: str, stdin: bytes = b"", *, limit_s: float = 60.0, cancel: Cancel | None = None) -> Answer:
        """Run a command to its end; its standard input stays open until then, so that it can tell when we are gone.

        Raises `ConnectionLost`, `LabError` after `limit_s` seconds, `RunInterrupted`.
        """
        deadline = time.monotonic() + limit_s
        with self.short_channel(command) as channel:
            channel.sendall(stdin)
            out, err = bytearray(), bytearray()
            while not channel.closed or channel.recv_ready() or channel.recv_stderr_ready():
                moved = _take(channel.recv_ready, channel.recv, out)
                moved |= _take(channel.recv_stderr_ready, channel.recv_stderr, err)
                if cancel is not None:
                    cancel.raise_if_set()
                if time.monotonic() > deadline:
                    raise LabError(f"{self.address}: no end within {limit_s:g} s: {command.split()[-1]}")
                if moved:
                    self._refuse_endless(len(out) + len(err))
                    continue
                if channel.exit_status_ready() and channel.eof_received:
                    break
                if not self.transport.is_active():
                    raise ConnectionLost(f"{self.address}: the connection was lost")
                time.sleep(_POLL_S)
            status = channel.recv_exit_status() if channel.exit_status_ready() else -1
            if status == -1 and not self.transport.is_active():
                raise ConnectionLost(f"{self.address}: the connection was lost")
            return Answer(status, bytes(out), bytes(err))

    def request(self, command: str, line: bytes, *, limit_s: float) -> Answer:
        """Send a line to a command that answers each line with one, and is started once per connection.

        It may end when nothing is said for long. Raises `ConnectionLost`, and `LabError` after `limit_s` seconds.
        """
        with self._requests, self.errors():
            channel = self._responders.get(command)
            if channel is None or channel.closed or channel.exit_status_ready():
                channel = self._responders[command] = self.transport.open_session(timeout=HANDSHAKE_S)
                channel.exec_command(command)
            try:
                channel.settimeout(DEAD_AFTER_S)
                channel.sendall(line)
                return self._read_line(channel, limit_s)
            except BaseException:
                del self._responders[command]
                channel.close()
                raise

    def _read_line(self, channel: paramiko.Channel, limit_s: float) -> Answer:
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
                raise LabError(f"{self.address}: no answer within {limit_s:g} s")
            if data == b"":
                if not self.transport.is_active() or not channel.exit_status_ready():
                    raise ConnectionLost(f"{self.address}: the connection was lost")
                return Answer(channel.recv_exit_status(), bytes(said), channel.recv_stderr(_CHUNK))
            said += data or b""
            self._refuse_endless(len(said))
        return Answer(0, bytes(said), b"")

    def _refuse_endless(self, count: int) -> None:
        if count > _ANSWER_BYTES:
            raise LabError(f"{self.address}: an answer of more than {_ANSWER_BYTES >> 20} MB")

    @contextlib.contextmanager
    def files(self) -> Iterator[paramiko.SFTPClient]:
        """The host's files, for one user at a time; raises `ConnectionLost`, `PrerequisiteError` without SFTP."""
        with self._files, self.errors():
            if self._sftp is None:
                try:
                    self._sftp = paramiko.SFTPClient.from_transport(self.transport)
                except paramiko.ChannelException as error:
                    raise ConnectionLost(f"{self.address}: {error}") from error
                except (paramiko.SSHException, EOFError) as error:
                    if not self.transport.is_active():
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
            raise ConnectionLost(f"{self.address}: the connection was lost: {text_of(error)}") from error
        except OSError as error:
            if self.transport.is_active() and not isinstance(error, ConnectionError):
                raise
            raise ConnectionLost(f"{self.address}: the connection was lost: {text_of(error)}") from error


def _take(ready: Callable[[], bool], receive: Callable[[int], bytes], into: bytearray) -> bool:
    if not ready():
        return False
    data = receive(_CHUNK)
    into += data
    return bool(data)


def text_of(error: BaseException) -> str:
    """What an error of the network says, in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, EOFError):
        return "the other side hung up"
    return plain((isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__)
