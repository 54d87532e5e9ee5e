"""Runs an experiment in the local lab beside a BIRD of somebody else's; prints what became of that one, as JSON.

    unshare --mount --net python beside_bird.py EXPERIMENT OUT

The other one has the usual places, /etc/bird and /run/bird, which are this process's own here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

CONFIG, RUN = Path("/etc/bird"), Path("/run/bird")
FOREIGN = "router id 192.0.2.1;\nprotocol device { }\n"


def seen() -> dict[str, list[object]]:
    """Each file in the two directories: its owner, mode, time and content."""
    found: dict[str, list[object]] = {}
    for path in sorted((*CONFIG.rglob("*"), *RUN.rglob("*"))):
        status = path.lstat()
        content = path.read_text() if path.is_file() else ""
        found[str(path)] = [status.st_uid, status.st_mode, status.st_mtime_ns, content]
    return found


def main(experiment: str, out: str) -> None:
    """Start the other one, run the experiment, look again."""
    for folder in (CONFIG, RUN.parent):
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    RUN.mkdir()
    (CONFIG / "bird.conf").write_text(FOREIGN)
    with subprocess.Popen(["/usr/sbin/bird", "-f"]) as other:
        try:
            deadline = time.monotonic() + 10
            while not (RUN / "bird.ctl").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            before = seen()
            argv = [sys.executable, "-m", "experiments", "run", experiment, "--lab", "local", "-j", "1", "--out", out]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
            status = subprocess.run(["/usr/sbin/birdc", "show", "status"], capture_output=True, text=True, check=False)
            found = {
                "before": before,
                "after": seen(),
                "alive": other.poll() is None,
                "status": status.stdout,
                "run": [done.returncode, done.stdout + done.stderr],
            }
        finally:
            other.terminate()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
