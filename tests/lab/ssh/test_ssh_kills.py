"""SIGKILL of the command line at any moment leaves, after `testbed clean`, nothing of ours there or here."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import ssh_host
from ssh_host import Host, ours, processes, settles
from ssh_user import Here

pytestmark = pytest.mark.usefixtures("provided")

KILLS = int(os.environ.get("TESTBED_TEST_KILLS", "8"))
SEED = 20171010
LONGEST_S = 9.0  # a whole visit with a guest takes about as long


def census(host: Host, here: Here) -> dict[str, object]:
    """All that a visit could leave, there and here."""
    return {
        "processes": ours(host),
        "there": sorted(str(path) for path in (host.cache / "ssh").rglob("*") if "toolkits" not in path.parts),
        "kernels": sorted(path.name for path in (host.cache / "kernels").iterdir()),
        "runtimes": sorted(str(path) for path in (host.folder / "far tmp").iterdir()),
        "here": sorted(str(path) for path in (here.cache / "ssh").rglob("*.json")),
    }


def test_a_kill_at_any_moment_leaves_nothing(here: Here, host: Host) -> None:
    # Foreign things beside ours.
    foreign = host.cache / "ssh" / "jobs" / "notes"
    foreign.mkdir(parents=True, exist_ok=True)
    (host.folder / "far tmp" / "mptcp-testbed-notes").mkdir(exist_ok=True)
    bystander = subprocess.Popen(["sleep", "100001"], cwd=foreign)
    here.testbed("clean", "--lab", "ssh:far")
    before = census(host, here)
    chance = random.Random(SEED)
    alive_at_the_kill = []
    try:
        for number in range(KILLS):
            victim = here.start("exec", "--lab", "ssh:far", "--", "sleep", "100000")
            time.sleep(LONGEST_S * (number + chance.random()) / KILLS)
            alive_at_the_kill.append(len(ours(host)))
            victim.send_signal(signal.SIGKILL)
            victim.communicate()
            cleaned = here.testbed("clean")  # it knows where to go
            assert cleaned.returncode == 0, cleaned.stderr
            assert census(host, here) == before, f"kill {number}"
            assert list((here.home / "tmp").iterdir()) == []
        assert max(alive_at_the_kill) >= 4  # runner, subreaper, guest: the kills have hit something
        assert bystander.pid in processes()
    finally:
        bystander.kill()
        bystander.wait()
        foreign.rmdir()


def test_a_kill_while_the_toolkit_is_installed_leaves_nothing(here: Here, tmp_path: Path) -> None:
    with ssh_host.running(tmp_path / "fresh", tmp_path / "fresh" / "cache") as fresh:
        here.configure(fresh, fresh.port)
        victim = here.start("exec", "--lab", "ssh:far", "--", "true")
        assert settles(lambda: any("pip install" in words for words in ours(fresh).values()))
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        assert settles(lambda: not ours(fresh))
        cleaned = here.testbed("clean")
        assert cleaned.returncode == 0, cleaned.stderr
        assert "ssh/toolkits/" in cleaned.stdout and "ssh/incoming/" in cleaned.stdout
        assert [path for path in fresh.cache.rglob("*") if path.is_file()] == []
        assert here.testbed("clean").stdout == "nothing to remove\n"
