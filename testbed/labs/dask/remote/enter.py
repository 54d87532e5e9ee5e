"""The first that runs for a request on a worker's machine: finds the toolkit there, or makes it of what was sent.

Its text, and that of the modules that it imports, is sent with the request: they use the standard library alone. It
gives its place to `testbed.labs.dask.remote.work`, run by the toolkit's Python, which is

- the worker's own, where that has just this toolkit (the same SHA-256 of its wheel), as on machines with one home;
- else the environment that the ssh lab makes, too: `<cache>/ssh/toolkits/<sha256>/` (`testbed.labs.ssh.remote`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from testbed.labs.dask.remote.folder import BLOBS
from testbed.labs.ssh.remote import environment, layout

_IDENTITY = "from testbed.labs.ssh.wheel import toolkit; print(toolkit().sha256)"


def _give_up_without_worker(folder: Path) -> None:
    """Ends this process, and what it started, when the worker is gone."""
    while os.read(0, 65536):
        pass
    environment.end_children()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def find_python(request: dict[str, Any], folder: Path) -> str | None:
    """The interpreter that has the toolkit; None where it must be sent first."""
    wanted = list(request["python_version"])
    if wanted != list(sys.version_info[:2]):
        mine, theirs = (".".join(map(str, version)) for version in (sys.version_info[:2], wanted))
        what = f"its Python is {mine}, ours is {theirs}: results would not be comparable"
        raise layout.Refusal(what, f"start the worker with Python {theirs}")
    digest, name = request["toolkit"], request["wheel"]
    if request["python"] and Path(request["python"]).exists():
        return str(request["python"])
    own = subprocess.run([sys.executable, "-I", "-c", _IDENTITY], capture_output=True, text=True, stdin=-3)
    if own.returncode == 0 and own.stdout.strip() == digest:
        return sys.executable
    made = layout.cache_root() / layout.TOOLKITS / digest
    if not environment.is_whole(made, digest):
        if not (folder / BLOBS / name).exists():
            return None
        sent = Path(layout.prepare(request["owner"]))
        try:
            for each in (name, layout.BUILDERS, layout.PACKAGES):
                shutil.copyfile(folder / BLOBS / each, sent / each)
            environment.install(digest, request["owner"], name, offline=False)
        finally:
            shutil.rmtree(sent, ignore_errors=True)
    return str(made / "bin" / "python")


def main(folder: Path) -> None:
    """Give way to the toolkit, or say in the answer what keeps it from that."""
    threading.Thread(target=_give_up_without_worker, args=(folder,), daemon=True).start()
    request = json.loads((folder / layout.REQUEST).read_text())
    try:
        python = find_python(request, folder)
        end: dict[str, Any] = {"missing": True}
    except layout.Refusal as refusal:
        python, end = None, {"error": refusal.answer}
    except OSError as error:
        what = f"{error.filename or layout.cache_root()}: {error.strerror}"
        python, end = None, {"error": {"kind": "PrerequisiteError", "message": what, "hint": "make it right there"}}
    if python is None:
        (folder / ".draft").write_text(json.dumps(end))
        (folder / ".draft").rename(folder / layout.END)
        os._exit(0)
    os.execv(python, [python, "-I", "-m", "testbed.labs.dask.remote.work", str(folder)])
