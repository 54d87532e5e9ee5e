"""The first that runs on the other machine: what it is, room for our things there, the toolkit, and tidying up.

Its text, and that of the modules that it imports, is sent to the other machine's Python before anything of ours is
there (`testbed.labs.ssh.remote.loader`): they use the standard library alone. It answers with one line of JSON, and
gives up when its standard input ends: then we are gone.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from testbed.labs.ssh.remote import cleanup, environment, layout


def describe(digest: str) -> dict[str, Any]:
    """What this machine is, and whether it has the toolkit with this SHA-256, unchanged."""
    root = layout.cache_root()
    whole = environment.is_whole(root / layout.TOOLKITS / digest, digest)
    if whole:
        os.utime(root / layout.TOOLKITS / digest)  # the latest ones are kept
    return {
        "python": list(sys.version_info[:2]),
        "machine": platform.machine(),
        "platform": platform.platform(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "cores": len(os.sched_getaffinity(0)),
        "host": platform.node(),
        "root": str(root),
        "toolkit": whole,
    }


def _give_up_without_us() -> None:
    """Ends this process, and what it started, when our side is gone."""
    while os.read(0, 65536):
        pass
    environment.end_children()
    os._exit(1)


ACTIONS: Mapping[str, Callable[..., Any]] = {
    "describe": describe,
    "prepare": layout.prepare,
    "require_space": layout.require_space,
    "install": environment.install,
    "sweep": cleanup.sweep,
}


def main(request: str) -> None:
    """Do what the request says and print the answer."""
    threading.Thread(target=_give_up_without_us, daemon=True).start()
    wanted = json.loads(request)
    try:
        answer = {"ok": ACTIONS[wanted["action"]](**wanted["arguments"])}
    except layout.Refusal as refusal:
        answer = {"error": refusal.answer}
    except OSError as error:
        what = f"{error.filename or layout.cache_root()}: {error.strerror}"
        answer = {"error": {"kind": "PrerequisiteError", "message": what, "hint": "make it right there"}}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)
