"""SIGKILL of the command line at any moment leaves nothing of ours, and nothing of anyone else's is touched."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

KILLS = int(os.environ.get("TESTBED_TEST_KILLS", "10"))
SEED = 20171010
LONGEST_S = 12.0  # a whole run of two points takes about as long
MACHINE = Path(__file__).with_name("machine.py")


def test_a_kill_at_any_moment_leaves_nothing_and_touches_nothing_of_others(
    tmp_path: Path, anycast_kernel: None
) -> None:
    chance = random.Random(SEED)
    # One in each tenth of the run, so that set-up, workload and analysis all get their share.
    moments = [round(LONGEST_S * (k + chance.random()) / KILLS, 3) for k in range(KILLS)]
    (tmp_path / "tmp").mkdir()
    argv = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*argv, sys.executable, str(MACHINE), str(tmp_path), *map(str, moments)],
        capture_output=True,
        text=True,
        timeout=60 * KILLS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    left = [kill for kill in report["kills"] if kill["different"]]
    assert left == []
    assert report["foreign_alive"] == [True, True]
    # The kills must have hit something: namespaces full of processes at some of them.
    assert max(kill["processes_at_the_kill"] for kill in report["kills"]) >= 8
    assert report["before"]["namespaces"] == ["s1 (id: 0)"]
    assert any("mininet:s1" in line for line in report["before"]["processes"])


def test_clean_leaves_what_is_in_use(tmp_path: Path) -> None:
    """A job that runs in the lab keeps its directory while somebody else cleans up."""
    (tmp_path / "tmp").mkdir()
    environment = {
        "TMPDIR": str(tmp_path / "tmp"),
        "TESTBED_CACHE": str(tmp_path / "cache"),
        "PATH": "/usr/sbin:/usr/bin:/bin",
    }
    testbed = [sys.executable, "-m", "testbed"]
    job = ["exec", "--lab", "local", "--", "sh", "-c", "echo begun; until [ -e $TESTBED_OUT/go ]; do sleep 0.1; done"]
    with subprocess.Popen(
        [*testbed, *job], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        before = sorted((tmp_path / "tmp").glob("mptcp-testbed-*"))
        subprocess.run([*testbed, "clean"], check=True, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        assert sorted((tmp_path / "tmp").glob("mptcp-testbed-*")) == before
        assert len(before) == 2  # the output's directory, and the lab's own
        (output,) = [path for path in before if (path / "local").is_dir()]
        (output / "go").touch()
        assert running.wait(60) == 0
    assert list((tmp_path / "tmp").glob("mptcp-testbed-*")) == []
