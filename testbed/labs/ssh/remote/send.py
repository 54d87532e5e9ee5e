"""Sends files of a job to the other side: `python -m testbed.labs.ssh.remote.send JOB`, their names in a line of JSON.

One stream for all of them, in the order of the names: frames `{"file": NAME, "bytes": N}`, as many as it takes, and at
last `{"done": true}`; `{"error": TEXT}` if one cannot be read.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from testbed.labs.ssh.remote import layout, protocol

_CHUNK = 1 << 17


def main(out: Path, names: list[str]) -> None:
    """Send the files below `out`."""
    try:
        for name in names:
            with (out / name).open("rb") as file:
                while data := file.read(_CHUNK):
                    _write(protocol.frame({"file": name}, data))
        _write(protocol.frame({"done": True}))
    except OSError as error:
        _write(protocol.frame({"error": f"{error.filename}: {error.strerror}"}))


def _write(frame: bytes) -> None:
    left = memoryview(frame)
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(layout.cache_root() / layout.JOBS / sys.argv[1] / layout.OUTPUT, json.loads(sys.stdin.readline()))
