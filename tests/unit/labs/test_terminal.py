"""The user's terminal, lent to a job: here one end of another pseudo-terminal, at which this test types and reads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tty

from testbed.process import wait_until

PASTED_BYTES = 200_000
# A job that prints more than a terminal holds before it reads what was typed, and says how much that was.
JOB = f"""
import os, time, tty
tty.setraw(0, 0)
os.write(1, b"begun")
time.sleep(0.5)
for _ in range(300): os.write(1, b"x" * 1000)
count = 0
while count < {PASTED_BYTES}: count += len(os.read(0, 65536))
os.write(1, b"%d bytes" % count)
"""
LENDING = """
import subprocess, sys
from testbed.labs.terminal import Terminal
terminal = Terminal()
with terminal.attach("raw") as line:
    job = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=line, stdout=line, stderr=line)
    while job.poll() is None:
        terminal.relay(0.05)
"""


def test_what_is_pasted_while_the_job_prints_keeps_nobody_waiting() -> None:
    user, theirs = os.openpty()
    tty.setraw(theirs)
    shown = bytearray()

    def read() -> None:
        while data := os.read(user, 65536):
            shown.extend(data)

    def paste() -> None:
        left = bytes(PASTED_BYTES)
        while left:
            left = left[os.write(user, left[:4096]) :]

    with subprocess.Popen([sys.executable, "-c", LENDING, JOB], stdin=theirs, stdout=theirs) as lending:
        try:
            threading.Thread(target=read, daemon=True).start()
            wait_until(lambda: b"begun" in shown, "the job", timeout_s=30)
            threading.Thread(target=paste, daemon=True).start()
            assert lending.wait(20) == 0
            wait_until(lambda: shown.endswith(b"200000 bytes"), "the last of it", timeout_s=10)
        finally:
            lending.kill()
    assert shown.count(b"x") == 300_000
