"""Sees to one request on a worker's machine, in the toolkit's environment: `python -m ...dask.remote.work DIR`.

    <DIR>/request.json   what is asked for: a job, or something about the lab here
    <DIR>/blobs/         what was sent along: the lab kernel, a library
    <DIR>/out/           the job's output directory; stdin beside it, if it has one
    <DIR>/stdout, stderr what the job has printed
    <DIR>/end.json       the answer: {"result": ...}, {"error": {...}} or {"missing": true}

It ends the job and leaves nothing once its standard input ends: the worker is gone then, or nobody wants the answer.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from testbed.base.errors import LabError, RunInterrupted
from testbed.kernel.cache import Cache
from testbed.labs.base import Cancel, Sink
from testbed.labs.dask.remote.folder import (
    BLOBS,
    END,
    KERNEL,
    LIBRARY,
    OUTPUT,
    REQUEST,
    RUN,
    STDERR,
    STDOUT,
)
from testbed.labs.ssh.remote import commands, layout, protocol
from testbed.labs.ssh.remote.described_job import job_of
from testbed.labs.ssh.remote.job import open_lab_for

_LAB = "uml"
_RESERVE_BYTES = 65536
_FULL_BYTES = 1_000_000


def is_provided(request: dict[str, Any], folder: Path) -> bool:
    """Whether kernel and library are here, at the latest from what was sent; raises as `commands` does."""
    blobs, kernel, library = folder / BLOBS, request["kernel"], request["library"]
    if not commands.has_kernel(kernel):
        if not (blobs / KERNEL).is_dir():
            return False
        commands.install_kernel(kernel, str(blobs / KERNEL))
    if library and not commands.has_library(library["name"]):
        if library["machine"] != platform.machine():
            return commands.build_library(library["name"])
        if not (blobs / LIBRARY).exists():
            return False
        commands.install_library(library["name"], str(blobs / LIBRARY), library["sha256"])
    return True


def answer(request: dict[str, Any], folder: Path, cancel: Cancel) -> dict[str, Any]:
    """See to the request."""
    try:
        if not is_provided(request, folder):
            return {"missing": True}
        if request["action"] != RUN:
            about = {"lab": _LAB, "kernel": request["kernel"], **request["arguments"]}
            return {"result": commands.ACTIONS[request["action"]](**about)}
        return {"result": _run(request, folder, cancel)}
    except RunInterrupted:
        return {"error": protocol.error_to_json(RunInterrupted("interrupted"))}
    except Exception as error:  # whoever waits must learn why
        if shutil.disk_usage(folder).free < _FULL_BYTES and "No space left" not in str(error):
            error = LabError(f"{folder}: No space left on device: {error}", hint="make room there")
        return {"error": protocol.error_to_json(error)}


def _run(request: dict[str, Any], folder: Path, cancel: Cancel) -> dict[str, Any]:
    with open_lab_for(_LAB, request["kernel"]) as lab:
        job = job_of(folder, request)
        done = lab.run(job, stdout=_file(folder / STDOUT), stderr=_file(folder / STDERR), cancel=cancel)
    return dataclasses.asdict(done)


def _file(path: Path) -> Sink:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(data: bytes) -> None:
        while data:
            data = data[os.write(handle, data) :]

    return write


def main(folder: Path) -> None:
    """Answer the request in the folder; without the worker, remove the folder."""
    cancel, left = Cancel(), threading.Event()

    def watch() -> None:
        while os.read(0, 65536):
            pass
        left.set()
        cancel.set()

    threading.Thread(target=watch, daemon=True).start()
    # A full disk must not keep us from saying so.
    (folder / ".reserve").write_bytes(bytes(_RESERVE_BYTES))
    request = json.loads((folder / REQUEST).read_text())
    (Cache(layout.cache_root()).root / layout.TOOLKITS).mkdir(parents=True, exist_ok=True)
    handle = layout.in_use(layout.cache_root() / layout.TOOLKITS / request["toolkit"])
    end = {"python": sys.executable, **answer(request, folder, cancel)}
    if request["action"] == RUN:
        end["contents"] = commands.listing(folder / OUTPUT)
    os.close(handle)
    (folder / ".reserve").unlink()
    if left.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        (folder / ".draft").write_text(json.dumps(end))
        (folder / ".draft").rename(folder / END)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
