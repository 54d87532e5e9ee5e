"""What a worker of a Dask cluster is given to do: look at itself, or have a process of its own see to a request.

These functions travel to the worker as they stand, which has nothing of ours: they use the standard library and Dask.
The process (`testbed.labs.dask.remote.attendant`) ends with the worker, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distributed import get_worker

from testbed.labs.dask.remote.attendant import Attendant, attendant_for, dismiss_idle, release
from testbed.labs.dask.remote.folder import BLOBS, PROGRAM, STDERR, STDOUT
from testbed.labs.ssh.remote.layout import END, OUTPUT, REQUEST


def look(dask_worker: Any = None) -> dict[str, Any]:
    """What the worker's machine is, and the room in the worker's directory; takes no time."""
    folder = dask_worker.local_directory
    return {
        "host": platform.node(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "machine": platform.machine(),
        "python": sys.executable,
        "home": os.environ.get("TESTBED_CACHE") or os.path.expanduser("~"),  # noqa: PTH111
        "folder": folder,
        "free_bytes": shutil.disk_usage(folder).free,
        "threads": dask_worker.state.nthreads,
    }


async def dismiss(dask_worker: Any = None) -> None:
    """Let the worker's processes end that wait for requests."""
    await asyncio.to_thread(dismiss_idle, dask_worker)


def attend(
    program: bytes, request: Mapping[str, Any], files: Mapping[str, bytes], blobs: Mapping[str, bytes], topic: str
) -> dict[str, Any]:
    """See to a request: how it ended, what it has left, each file by its path, and who has done it.

    `files` go into the request's folder, by their paths in it, `blobs` into its folder of what was sent along.
    What the job prints is told under the topic as it comes, and all of it comes with the answer.
    """
    worker, name = get_worker(), str(request["name"])
    here = {"worker": worker.address, "host": platform.node()}
    wanted = _wanted(worker)
    worker.log_event(topic, {"name": name, "begun": worker.address})
    folder = None
    try:
        free = shutil.disk_usage(worker.local_directory).free
        needed = int(request["needed_bytes"]) + sum(map(len, [*files.values(), *blobs.values()]))
        if free < needed:
            what = f"{worker.local_directory} has {free / 1e6:.0f} MB free, a job needs {needed / 1e6:.0f} MB"
            return {**here, "no_room": what}
        folder = Path(tempfile.mkdtemp(prefix="testbed-", dir=worker.local_directory))
        _lay_down(folder, program, {**request, "python": request["known"].get(worker.address, "")}, files, blobs)
        attendant = attendant_for(worker, str(request["toolkit"]), folder)
        log = _run(folder, attendant, lambda header: worker.log_event(topic, {"name": name, **header}), wanted)
        release(worker, attendant)
        return {**here, **_found(folder, log)}
    except OSError as error:
        what = f"{error.filename or worker.local_directory}: {error.strerror or error}"
        return {**here, "end": {"error": {"kind": "LabError", "message": what, "hint": "make it right there"}}}
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        worker.log_event(topic, {"name": name, "over": worker.address})


def _wanted(worker: Any) -> Callable[[], bool]:
    """Whether anybody still wants what the calling task does; not any more once its client has left."""
    key = worker.get_current_task()

    def ask() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled" and worker.status.name in ("running", "paused")

    return ask


def _lay_down(
    folder: Path, program: bytes, request: Mapping[str, Any], files: Mapping[str, bytes], blobs: Mapping[str, bytes]
) -> None:
    (folder / PROGRAM).write_bytes(program)
    (folder / REQUEST).write_text(json.dumps(request))
    (folder / OUTPUT).mkdir()
    for place, contents in ((folder, files), (folder / BLOBS, blobs)):
        for name, content in contents.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _run(
    folder: Path, attendant: Attendant, tell: Callable[[Mapping[str, Any]], None], wanted: Callable[[], bool]
) -> str:
    """Wait for the answer, and tell what is printed meanwhile; returns the last line of the process' own complaints.

    A job may print faster than it can be told: what is not told comes with the answer.
    """
    poll_s, ending_s, chunk, pieces = 0.1, 45.0, 32768, 16
    offsets = dict.fromkeys((STDOUT, STDERR), 0)
    left_at = None
    while True:
        ended = attendant.has_answered  # first: what was printed before that is told before that
        for stream in offsets:
            with contextlib.suppress(FileNotFoundError), (folder / stream).open("rb") as file:
                file.seek(offsets[stream])
                for _ in range(pieces):
                    if not (data := file.read(chunk)):
                        break
                    tell({"stream": stream, "offset": offsets[stream], "data": data})
                    offsets[stream] += len(data)
        if ended and (left_at is None or attendant.is_gone(poll_s)):
            return attendant.complaint()
        if left_at is None and not wanted():
            left_at = time.monotonic()
            attendant.dismiss()
        if left_at is not None and time.monotonic() - left_at > ending_s:
            attendant.kill()
        attendant.wait(poll_s)


def _found(folder: Path, log: str) -> dict[str, Any]:
    try:
        end = json.loads((folder / END).read_text())
    except OSError:
        message = f"the job ended without a word{f': {log}' if log else ''}"
        return {"end": {"error": {"kind": "LabError", "message": message, "hint": ""}}}
    names = [each[0] for each in end.get("contents", {}).get("files", ())]
    printed = {}
    for stream in (STDOUT, STDERR):
        with contextlib.suppress(FileNotFoundError):
            printed[stream] = (folder / stream).read_bytes()
    return {"end": end, "files": {name: (folder / OUTPUT / name).read_bytes() for name in names}, "printed": printed}
