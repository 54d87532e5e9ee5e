"""Process 1 of a job in the local lab: makes the mounts, runs the command, reaps orphans, reports.

Everything that the job starts lives in this process's namespaces: mounts, process ids, network, host name, IPC. The
kernel ends them all when this process ends, and this process ends with its parent (`namespaces.run_first`), so that
no way of dying leaves any of it. Files under the numbers from `FIRST_FD` on are the job's stdin, stdout and stderr.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

from testbed.labs.guest import supervise, write_anew
from testbed.labs.local import mounts, namespaces
from testbed.subreaper import FIRST_FD

FOLDER = "local"
JOB_FILE = f"{FOLDER}/job.json"
STATUS_FILE = f"{FOLDER}/status.json"


def start(job: dict[str, Any], out: Path) -> subprocess.Popen[bytes]:
    """Start the job's command; raises OSError if it cannot be."""
    return subprocess.Popen(
        job["argv"],
        cwd=job["cwd"],
        env={**os.environ, **job["env"], "TESTBED_OUT": str(out)},
        stdin=FIRST_FD,
        stdout=FIRST_FD + 1,
        stderr=FIRST_FD + 2,
        start_new_session=True,
        preexec_fn=_take_terminal if job["terminal"] else _reset_signals,
    )


def _reset_signals() -> None:
    """The subreaper ignores these, and a program would inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _take_terminal() -> None:
    """Ctrl-C reaches only those whose controlling terminal it is typed on."""
    _reset_signals()
    fcntl.ioctl(FIRST_FD, termios.TIOCSCTTY, 0)


def main(out: Path) -> None:
    """Run the job found in `out` and leave its status there."""
    verdict: dict[str, Any] = {"reason": "supervisor", "status": None}
    started = time.monotonic()
    try:
        job = json.loads((out / JOB_FILE).read_text())
        mounts.mount_all(out, [Path(path) for path in job["visible"]])
        os.chdir("/")
        socket.sethostname("testbed")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        started = time.monotonic()
        try:
            command = start(job, out)
        except OSError as error:
            missing = 127 if isinstance(error, FileNotFoundError) else 126
            verdict = {"reason": "start", "status": missing, "error": f"{job['argv'][0]}: {error.strerror}"}
        else:
            verdict = supervise(command, lambda: float(job["clock_limit_s"]))
    except BaseException as error:  # whoever waits must learn why
        verdict["error"] = str(error) or repr(error)
    finally:
        verdict["clock_s"] = time.monotonic() - started
        with contextlib.suppress(OSError):
            write_anew(out / STATUS_FILE, json.dumps(verdict) + "\n")


if __name__ == "__main__":
    sys.exit(namespaces.run_first(lambda: main(Path(sys.argv[1]))))
