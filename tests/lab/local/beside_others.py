"""Runs an experiment in the local lab beside programs of somebody else's; prints what became of those, as JSON.

    unshare --mount --net python beside_others.py OTHERS EXPERIMENT OUT

OTHERS is a JSON file. Its `folders` are this process's own here, and empty but for its `files` (texts by their paths;
a path with a slash at its end is a directory). Each of its `programs` has an `argv`, and `ask`, an argv that prints its
answer once it runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

READY_S = 10.0


def seen(folders: list[Path]) -> dict[str, list[object]]:
    """Each file in the folders: its owner, mode, time and content."""
    found: dict[str, list[object]] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        status = path.lstat()
        content = path.read_text() if path.is_file() else ""
        found[str(path)] = [status.st_uid, status.st_mode, status.st_mtime_ns, content]
    return found


def processes(of: int) -> list[int]:
    """A program's process and those that it has started."""
    children = Path(f"/proc/{of}/task/{of}/children").read_text().split()
    return [of, *map(int, children)]


def answer(program: dict[str, Any]) -> str:
    """What one of the others says; nothing while it does not run."""
    return subprocess.run(program["ask"], capture_output=True, text=True, check=False).stdout


def started(stack: ExitStack, program: dict[str, Any]) -> subprocess.Popen[bytes]:
    """One of the others, once it answers; it ends with the stack."""
    other = stack.enter_context(subprocess.Popen(program["argv"]))
    stack.callback(other.terminate)
    deadline = time.monotonic() + READY_S
    while not answer(program) and time.monotonic() < deadline:
        time.sleep(0.05)
    return other


def main(others: str, experiment: str, out: str) -> None:
    """Start the others, run the experiment, look again."""
    told = json.loads(Path(others).read_text())
    folders = [Path(folder) for folder in told["folders"]]
    for folder in folders:
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    for name, content in told["files"].items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            Path(name).mkdir(exist_ok=True)
        else:
            Path(name).write_text(content)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with ExitStack() as stack:
        running = [started(stack, program) for program in told["programs"]]
        before = [seen(folders), [processes(each.pid) for each in running]]
        argv = [sys.executable, "-m", "experiments", "run", experiment, "--lab", "local", "-j", "1", "--out", out]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
        after = [seen(folders), [processes(each.pid) for each in running]]
        found = {
            "before": before,
            "after": after,
            "answers": [answer(program) for program in told["programs"]],
            "run": [done.returncode, done.stdout + done.stderr],
        }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
