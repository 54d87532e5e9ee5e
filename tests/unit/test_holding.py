"""A program is held with the copies that it has made of itself; what it traces stops by itself, and is told nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from testbed.holding import state
from testbed.process import wait_until
from testbed.reaped_process import ReapedProcess

# It has a child in another directory, as a copy of a guest is, and one in its own, as a guest's program is.
FAMILY = """
import os, sys, time
own, other = sys.argv[1:]
pids = [os.getpid()]
for directory in (other, own):
    if not (pid := os.fork()):
        os.chdir(directory)
        time.sleep(600)
    pids.append(pid)
open(own + "/draft", "w").write(" ".join(map(str, pids)))
os.rename(own + "/draft", own + "/pids")
time.sleep(600)
"""


def test_a_copy_is_held_with_its_program_and_goes_on_or_ends_with_it(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    with (tmp_path / "out").open("wb") as out:
        program = ReapedProcess([sys.executable, "-c", FAMILY, str(own), str(other)], stdout=out, stderr=out, cwd=own)
        wait_until((own / "pids").exists, "the family", timeout_s=30)
        pids = [int(word) for word in (own / "pids").read_text().split()]

        def become(*wanted: str) -> None:
            wait_until(lambda: [state(pid) for pid in pids] == [*wanted], f"to be {wanted}", timeout_s=30)

        become("S", "S", "S")
        for _ in range(2):
            program.hold()
            become("T", "T", "S")
            program.go_on()
            become("S", "S", "S")
        program.hold()
        become("T", "T", "S")
        program.release()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
