"""The other end of the connection: passes on what jobs print and how they end, and keeps their leases alive.

One process for all jobs of an owner, so that one channel of the connection is enough however many run. It starts jobs
but owns none: they go on when it ends (`testbed.labs.ssh.remote.job`), and another one picks them up where it left off.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.labs.ssh.remote import layout, protocol

_POLL_S = 0.05
_CHUNK = 32768
_PIECES = 4
"""So many of a job's stream are passed on at once: it may print faster than the connection takes it."""


@dataclass
class Followed:
    """A job that somebody asks for, and how much of its output they have."""

    folder: Path
    offsets: dict[str, int]
    process: subprocess.Popen[bytes] | None = None
    is_cancelled: bool = False

    def start(self) -> None:
        """Start the job if it was not; it lives on without us."""
        argv = [sys.executable, "-I", "-m", "testbed.labs.ssh.remote.job", str(self.folder)]
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment,
                start_new_session=True,
            )

    def touch(self) -> None:
        """Somebody asks for the job."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / layout.LEASE)

    def events(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """What it printed since the last time, and at last how it ended; of one that is to end, only that."""
        end = self._end()  # first: what was printed before the end must be passed on before it
        is_behind = False
        for stream in () if self.is_cancelled else protocol.STREAMS:
            is_behind |= yield from self._printed(stream)
        if end is not None and not is_behind:
            yield {"job": self.folder.name, "end": end}, b""

    def _printed(self, stream: str) -> Generator[tuple[dict[str, Any], bytes], None, bool]:
        """The next pieces; whether there may be more."""
        with contextlib.suppress(FileNotFoundError), (self.folder / stream).open("rb") as file:
            file.seek(self.offsets[stream])
            for _ in range(_PIECES):
                data = file.read(_CHUNK)
                if not data:
                    return False
                yield {"job": self.folder.name, "stream": stream, "offset": self.offsets[stream]}, data
                self.offsets[stream] += len(data)
            return True
        return False

    def _end(self) -> dict[str, Any] | None:
        path = self.folder / layout.END
        # Before it holds its lock it has to import a lot; one that finds another at the job ends, and that one goes on.
        alive = (self.process is not None and self.process.poll() is None) or self._is_running()
        try:
            end: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            if alive:
                return None
            return {"error": {"kind": "LabError", "message": f"the job ended without a word{self._last_log_line()}"}}
        return end

    def _is_running(self) -> bool:
        try:
            with (self.folder / layout.LOCK).open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def _last_log_line(self) -> str:
        try:
            lines = (self.folder / "log").read_text(errors="replace").split("\n")
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1]}" if said else ""


class Server:
    """The jobs that are followed; reads requests from standard input and writes frames to standard output."""

    def __init__(self, jobs: Path, heartbeat_s: float, lease_s: float) -> None:
        self._jobs = jobs
        self._heartbeat_s = heartbeat_s
        self._lease_s = lease_s
        self._followed: dict[str, Followed] = {}

    def serve(self) -> None:
        """Go on until standard input ends, or says nothing for so long that the connection is dead and nobody knows."""
        rest = b""
        heartbeat_at = 0.0
        heard_at = time.monotonic()
        has_sent = False
        while time.monotonic() - heard_at < self._lease_s:
            if select.select([0], [], [], 0 if has_sent else _POLL_S)[0]:
                data = os.read(0, _CHUNK)
                if not data:
                    return
                heard_at = time.monotonic()
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._handle(json.loads(line))
            has_sent = False
            for name, followed in list(self._followed.items()):
                for header, payload in followed.events():
                    _send(header, payload)
                    has_sent = True
                    if "end" in header:
                        del self._followed[name]
            if time.monotonic() >= heartbeat_at:
                heartbeat_at = time.monotonic() + self._heartbeat_s
                _send({"heartbeat": True})

    def _handle(self, request: dict[str, Any]) -> None:
        for followed in self._followed.values():
            followed.touch()
        name = request.get("job", "")
        folder = self._jobs / name
        match request["do"]:
            case "follow":
                if not (folder / layout.REQUEST).exists():
                    error = {"kind": "LabError", "message": "the job was removed by somebody"}
                    _send({"job": name, "end": {"error": error}})
                    return
                offsets = {stream: int(request[stream]) for stream in protocol.STREAMS}
                self._followed[name] = Followed(folder, offsets)
                self._followed[name].touch()
                self._followed[name].start()
            case "cancel":
                if name in self._followed:
                    self._followed[name].is_cancelled = True
                with contextlib.suppress(FileNotFoundError):
                    (folder / layout.CANCEL).touch()
            case "leave":
                self._followed.pop(name, None)


def _send(header: dict[str, Any], payload: bytes = b"") -> None:
    data = memoryview(protocol.frame(header, payload))
    while data:
        data = data[os.write(1, data) :]


def main(toolkit: Path, heartbeat_s: float, lease_s: float) -> None:
    """Serve the owner on standard input and output."""
    handle = layout.in_use(toolkit)
    _send({"hello": protocol.greeting(toolkit.name)})
    # The reader may be gone at any moment: the jobs go on.
    with contextlib.suppress(BrokenPipeError):
        Server(layout.cache_root() / layout.JOBS, heartbeat_s, lease_s).serve()
    os.close(handle)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
