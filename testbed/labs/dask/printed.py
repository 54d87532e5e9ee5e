"""What a job on a worker prints, passed on once: as it is told, and at the end what was not told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testbed.labs.base import Sink
from testbed.labs.dask.remote.folder import STDERR, STDOUT


class Printed:
    """The two sinks of a job, and how much each has got.

    If its worker dies, another one does the job again: with the same seed it prints the same, and what is here already
    is not passed on twice.
    """

    def __init__(self, stdout: Sink, stderr: Sink) -> None:
        self._sinks = {STDOUT: stdout, STDERR: stderr}
        self._passed = dict.fromkeys(self._sinks, 0)

    def hear(self, said: Mapping[str, Any]) -> None:
        """Pass on what was told: bytes of a stream, from an offset in it."""
        self._pass_on(str(said.get("stream")), int(said.get("offset", 0)), bytes(said.get("data", b"")))

    def finish(self, whole: Mapping[str, bytes]) -> None:
        """Pass on what is left of all that was printed."""
        for stream, data in whole.items():
            self._pass_on(stream, 0, data)

    def _pass_on(self, stream: str, offset: int, data: bytes) -> None:
        passed = self._passed.get(stream)
        if passed is None or offset > passed:  # something before it was lost: it comes at the end
            return
        new = data[passed - offset :]
        if new:
            self._passed[stream] += len(new)
            self._sinks[stream](new)
