"""Sees to requests on a worker's machine, in the toolkit's environment: `python -m ...dask.remote.work DIR`.

    <DIR>/request.json   what is asked for: a job, or something about the lab here
    <DIR>/blobs/         what was sent along: the lab kernel, a library
    <DIR>/out/           the job's output directory; stdin beside it, if it has one
    <DIR>/stdout, stderr what the job has printed
    <DIR>/end.json       the answer: {"result": ...}, {"error": {...}} or {"missing": true}

Further directories come on its standard input. It ends the job and leaves nothing once that ends: the worker is gone
then, or nobody wants the answer.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import queue
import shutil
import sys
import threading
from collections.abc import Iterator
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


def requests(first: Path, cancel: Cancel) -> Iterator[Path]:
    """The folders of requests: the first, and what the worker names in a line of JSON each, once one is answered.

    The flag is set when there will not be any more.
    """
    named: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
    named.put(first)

    def listen() -> None:
        for line in sys.stdin.buffer:
            named.put(Path(json.loads(line)))
        cancel.set()
        named.put(None)

    threading.Thread(target=listen, daemon=True).start()
    answered = os.dup(1)
    os.dup2(2, 1)  # what anybody prints here is no answer
    while (folder := named.get()) is not None:
        yield folder
        os.write(answered, b"\n")


def see_to(folder: Path, cancel: Cancel) -> None:
    """Answer the request in the folder; once nobody wants the answer, remove the folder."""
    with reserve(folder):
        request = json.loads((folder / layout.REQUEST).read_text())
        end = {"python": sys.executable, **answer(request, folder, cancel)}
        if request["action"] == RUN:
            end["contents"] = commands.listing(folder / layout.OUTPUT)
    if cancel.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        write_end(folder, end)


def main(first: Path) -> None:
    """See to the worker's requests as long as it has any."""
    toolkits = layout.cache_root() / layout.TOOLKITS
    toolkits.mkdir(parents=True, exist_ok=True)
    toolkit = json.loads((first / layout.REQUEST).read_text())["toolkit"]
    layout.in_use(toolkits / toolkit)  # as long as this process is there
    cancel = Cancel()
    for folder in requests(first, cancel):
        see_to(folder, cancel)
    os._exit(0)  # the thread that listens is in the middle of reading


if __name__ == "__main__":
    main(Path(sys.argv[1]))
