"""The channel over which all jobs of a lab are followed, one for all of them, made again when the connection breaks.

A thread reads it and says that we are here. Each job has a queue of events; its offsets say what it has had, so that a
new channel goes on where the old one ended (`testbed.labs.ssh.remote.serve`).
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import paramiko

from testbed.base.errors import LabError, TestbedError
from testbed.base.text import plain
from testbed.labs.base import Cancel
from testbed.labs.ssh.connection import Connection, ConnectionLost
from testbed.labs.ssh.reconnection import PersistentConnection, Timeouts
from testbed.labs.ssh.remote import protocol
from testbed.labs.ssh.remote.protocol import FrameReader

_POLL_S = 0.05
_CHUNK = 1 << 16
_SEND_S = 10.0
_STDERR_BYTES = 1 << 20
_EVENTS = 64  # pieces of output that a slow reader lets lie before the channel waits for it


@dataclass
class FollowedJob:
    """A job that is followed; `events` has `(stream, bytes)`, at last `("end", how)` or `("failed", error)`."""

    job: str
    events: queue.Queue[tuple[str, Any]] = field(default_factory=lambda: queue.Queue(_EVENTS))
    offsets: dict[str, int] = field(default_factory=lambda: dict.fromkeys(protocol.STREAMS, 0))
    cancelled: bool = False
    ended: bool = False

    def requests(self) -> list[dict[str, Any]]:
        """What another channel must be told of this job."""
        wanted: list[dict[str, Any]] = [{"do": "follow", "job": self.job, **self.offsets}]
        return [*wanted, {"do": "cancel", "job": self.job}] if self.cancelled else wanted


class JobChannel:
    """The channel; `command` runs the other end, `greeting` is what it must say first."""

    def __init__(
        self, connection: PersistentConnection, command: str, greeting: Mapping[str, Any], timeouts: Timeouts
    ) -> None:
        self._connection = connection
        self._command = command
        self._greeting = greeting
        self._timeouts = timeouts
        self._followed: dict[str, FollowedJob] = {}
        self._outbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closing = Cancel()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.is_up = False

    def close(self) -> None:
        """End it; no job is followed any more."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(self._timeouts.silence_s)

    @contextlib.contextmanager
    def following(self, job: str) -> Iterator[FollowedJob]:
        """Start a job that was sent, and follow it until the block ends; raises what has ended the channel."""
        followed = FollowedJob(job)
        with self._lock:
            if self._failure is not None:
                raise self._failure
            self._followed[job] = followed
            self._outbox.put(followed.requests()[0])
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ssh-jobs", daemon=True)
                self._thread.start()
        try:
            yield followed
        finally:
            with self._lock:
                del self._followed[job]
            self._outbox.put({"do": "leave", "job": job})

    def cancel(self, followed: FollowedJob) -> None:
        """Ask the other side to end the job; its end is an event like any other."""
        followed.cancelled = True
        self._outbox.put({"do": "cancel", "job": followed.job})

    def _run(self) -> None:
        try:
            self._connection.use(self._follow_all, self._closing)
        except BaseException as error:  # whoever waits must learn why
            with self._lock:
                self._failure = error
                waiting = list(self._followed.values())
            if not self._closing.is_set():
                for followed in waiting:
                    self._put(followed, "failed", error, None)

    def _follow_all(self, connection: Connection) -> None:
        """Over one connection, to its end; raises `ConnectionLost`. Returns once this side is closed."""
        try:
            with connection.channel(self._command) as channel:
                self._exchange(connection, channel)
        finally:
            self.is_up = False

    def _exchange(self, connection: Connection, channel: paramiko.Channel) -> None:
        reader = FrameReader()
        channel.settimeout(_POLL_S)
        heard = time.monotonic()
        said = 0.0
        greeted = False
        while not self._closing.is_set():
            try:
                data = channel.recv(_CHUNK)
            except TimeoutError:
                data = None
            if data == b"":
                error = _last_error(channel)
                if not greeted and connection.is_open and channel.exit_status_ready():
                    raise LabError(f"{connection.address}: the toolkit there does not start{error}")
                raise ConnectionLost(f"{connection.address}: the connection was lost{error}")
            now = time.monotonic()
            for header, payload in reader.feed(data or b""):
                heard = now
                if not greeted:
                    protocol.compare(header.get("hello"), self._greeting, str(connection.address))
                    greeted = True
                    self._catch_up(channel)
                    self.is_up = True
                else:
                    self._deliver(header, payload, channel)
                    heard = time.monotonic()  # whoever reads may have taken long
            if time.monotonic() - heard > self._timeouts.silence_s:
                connection.close()
                raise ConnectionLost(f"{connection.address}: no word for {self._timeouts.silence_s:g} s")
            if greeted:
                self._send_waiting(channel)
                if now - said >= self._timeouts.heartbeat_s:
                    said = now
                    _send(channel, {"do": "heartbeat"})

    def _catch_up(self, channel: paramiko.Channel) -> None:
        """Tell a new channel of every job, with what we have of its output."""
        with self._lock:
            while not self._outbox.empty():
                self._outbox.get()
            requests = [
                each for followed in self._followed.values() if not followed.ended for each in followed.requests()
            ]
        for request in requests:
            _send(channel, request)

    def _send_waiting(self, channel: paramiko.Channel) -> None:
        while not self._outbox.empty():
            _send(channel, self._outbox.get())

    def _deliver(self, header: dict[str, Any], payload: bytes, channel: paramiko.Channel) -> None:
        with self._lock:
            followed = self._followed.get(str(header.get("job")))
        if followed is None or followed.ended:
            return
        if "end" in header:
            followed.ended = True
            self._put(followed, "end", header["end"], channel)
        elif header.get("stream") in protocol.STREAMS and header.get("offset") == followed.offsets[header["stream"]]:
            followed.offsets[header["stream"]] += len(payload)
            self._put(followed, header["stream"], payload, channel)

    def _put(self, followed: FollowedJob, what: str, value: object, channel: paramiko.Channel | None) -> None:
        """Put an event into the queue; a reader that is slow must not look like one that is gone."""
        while not self._closing.is_set():
            try:
                followed.events.put((what, value), timeout=self._timeouts.heartbeat_s)
            except queue.Full:
                if channel is not None:
                    _send(channel, {"do": "heartbeat"})
                with self._lock:
                    if followed.job not in self._followed:
                        return
            else:
                return


def next_event(followed: FollowedJob, seconds: float) -> tuple[str, Any] | None:
    """The next event, None if there is none within so many seconds; raises what has ended the channel."""
    try:
        what, value = followed.events.get(timeout=seconds)
    except queue.Empty:
        return None
    if what == "failed":
        assert isinstance(value, BaseException)
        if isinstance(value, TestbedError):
            raise value.again() from value
        raise value
    return what, value


def _send(channel: paramiko.Channel, request: Mapping[str, Any]) -> None:
    try:
        channel.settimeout(_SEND_S)
        channel.sendall(json.dumps(request).encode() + b"\n")
    finally:
        channel.settimeout(_POLL_S)


def _last_error(channel: paramiko.Channel) -> str:
    words = b""
    while channel.recv_stderr_ready() and len(words) < _STDERR_BYTES:
        words += channel.recv_stderr(_CHUNK)
    lines = [line.strip() for line in words.decode(errors="replace").splitlines() if line.strip()]
    return f": {plain(lines[-1])}" if lines else ""
