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

from testbed.base.errors import RunInterrupted
from testbed.labs.base import Cancel
from testbed.labs.dask.remote.folder import BLOBS, KERNEL, LIBRARY, RUN, STDERR, STDOUT
from testbed.labs.ssh.remote import commands, layout, protocol
from testbed.labs.ssh.remote.described_job import job_of
from testbed.labs.ssh.remote.job import appending, full_disk_error, open_lab_for, reserve, write_end

_LAB = "uml"


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
        return {"error": protocol.error_to_json(full_disk_error(folder, error))}


def _run(request: dict[str, Any], folder: Path, cancel: Cancel) -> dict[str, Any]:
    with open_lab_for(_LAB, request["kernel"]) as lab:
        job = job_of(folder, request)
        done = lab.run(job, stdout=appending(folder / STDOUT), stderr=appending(folder / STDERR), cancel=cancel)
    return dataclasses.asdict(done)


def main(folder: Path) -> None:
    """Answer the request in the folder; without the worker, remove the folder."""
    cancel, left = Cancel(), threading.Event()

    def watch() -> None:
        while os.read(0, 65536):
            pass
        left.set()
        cancel.set()

    threading.Thread(target=watch, daemon=True).start()
    with reserve(folder):
        request = json.loads((folder / layout.REQUEST).read_text())
        toolkits = layout.cache_root() / layout.TOOLKITS
        toolkits.mkdir(parents=True, exist_ok=True)
        handle = layout.in_use(toolkits / request["toolkit"])
        end = {"python": sys.executable, **answer(request, folder, cancel)}
        if request["action"] == RUN:
            end["contents"] = commands.listing(folder / layout.OUTPUT)
        os.close(handle)
    if left.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        write_end(folder, end)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
