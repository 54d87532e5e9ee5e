"""SIGKILL of the command line at any moment leaves nothing of ours, and nothing of anyone else's is touched.

`TESTBED_TEST_KILLS=30` kills thirty times. The ssh lab has its own test: it leaves things on two machines.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.kernel.cache import default_cache
from testbed.labs.local.lab import LocalLab
from testbed.net import mptcp, routing
from testbed.runs import store
from topologies import links

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="a machine of one's own needs root")]

KILLS = int(os.environ.get("TESTBED_TEST_KILLS", "4"))
SEED = 20171010
LONGEST_S = {"local": 12.0, "uml": 10.0}  # a whole run takes about as long
MACHINE = Path(__file__).with_name("machine.py")
TESTBED = [sys.executable, "-m", "experiments"]


@pytest.fixture(params=["uml", "local"])
def lab(request: pytest.FixtureRequest) -> str:
    """A lab of this machine; skips where its kernel cannot do the points in the local lab."""
    name: str = request.param
    if name == "local":
        wanted = {links.VETH, links.TBF, routing.MULTIPATH, *mptcp.NEEDS}
        if lacks := [each.name for each in LocalLab().probe(wanted) if not each.ok]:
            pytest.skip(f"this kernel lacks {', '.join(lacks)}")
    return name


@pytest.mark.timeout(60 * (KILLS + 3))
def test_a_kill_at_any_moment_leaves_nothing_and_touches_nothing_of_others(tmp_path: Path, lab: str) -> None:
    chance = random.Random(SEED)
    # One in each part of the run, so that set-up, workload and analysis all get their share.
    moments = [round(LONGEST_S[lab] * (k + chance.random()) / KILLS, 3) for k in range(KILLS)]
    chance.shuffle(moments)
    argv = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*argv, sys.executable, str(MACHINE), str(tmp_path), lab, *map(str, moments), "busy"],
        capture_output=True,
        text=True,
        timeout=60 * (KILLS + 3),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [kill for kill in report["kills"] if kill["different"]] == []
    assert report["foreign_alive"] == [True, True, True]
    # What was finished is kept, and the rest can be run.
    last = report["last_run"]
    assert last["state"] == "complete" and last["stayed"] and all(last["points"].values()), (
        tmp_path / "log"
    ).read_text()
    if lab == "uml":  # other work on this machine may make the local lab's points invalid
        assert last["status"] == 0, (tmp_path / "log").read_text()
    # One of the kills, at least, must have hit guests or namespaces full of processes.
    assert max(kill["processes_at_the_kill"] for kill in report["kills"]) >= 8
    assert report["before"]["namespaces"] == ["s1 (id: 0)"]
    assert any("mininet:s1" in line for line in report["before"]["processes"])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Directories of the test's own, and this machine's kernels."""
    cache = tmp_path / "cache"
    for each in (cache, tmp_path / "tmp"):
        each.mkdir()
    for name in ("kernels", "downloads"):
        (cache / name).symlink_to(default_cache().root / name)
    own = {"TMPDIR": str(tmp_path / "tmp"), "TESTBED_CACHE": str(cache), "TESTBED_VM": str(tmp_path / "vm")}
    return {**os.environ, **own}


def test_clean_leaves_a_live_run_of_somebody_else(tmp_path: Path, lab: str, environment: dict[str, str]) -> None:
    """Another checkout's run, with the same temporary directory and cache, while we clean up again and again."""
    sys.path.insert(0, str(MACHINE.parent))
    from machine import RUNS

    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for each in (theirs, ours):
        each.mkdir()
    said = []
    with (theirs / "log").open("wb") as log:
        run = subprocess.Popen([*TESTBED, "run", *RUNS[lab]], cwd=theirs, env=environment, stdout=log, stderr=log)
    while run.poll() is None:
        for cwd in (ours, theirs):
            cleaned = subprocess.run([*TESTBED, "clean"], cwd=cwd, env=environment, capture_output=True, text=True)
            assert (cleaned.returncode, cleaned.stderr) == (0, "")
            said.append(cleaned.stdout)
        time.sleep(0.1)
    status = run.wait()
    (result,) = store.runs(theirs / "results")
    assert result.manifest.state == "complete", (theirs / "log").read_text()
    assert all(map(result.is_ok, result.manifest.points)), (theirs / "log").read_text()
    if lab == "uml":
        assert status == 0
    # Locks of cores that nobody had at that moment are no loss.
    assert {line for text in said for line in text.splitlines() if "-cores-" not in line} == {"nothing to remove"}
    assert len(said) >= 6


def test_clean_leaves_a_job_that_runs(tmp_path: Path, lab: str, environment: dict[str, str]) -> None:
    """A job keeps its directory while somebody else cleans up, and ends in order."""
    go = "until [ -e $TESTBED_OUT/go ]; do sleep 0.1; done"
    job = ["exec", "--lab", lab, "--clock", "real", "--", "sh", "-c", f"echo begun; {go}"]
    with subprocess.Popen(
        [*TESTBED, *job], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        before = sorted((tmp_path / "tmp").glob("mptcp-testbed-[0-9]*"))
        subprocess.run([*TESTBED, "clean"], check=True, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        assert sorted((tmp_path / "tmp").glob("mptcp-testbed-[0-9]*")) == before
        assert len(before) == 2  # the output's directory, and the lab's own
        (output,) = [path for path in before if (path / "local").is_dir() or (path / "guest" / "stdout").exists()]
        (output / "go").touch()
        assert running.wait(60) == 0
    subprocess.run([*TESTBED, "clean"], check=True, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    assert list((tmp_path / "tmp").iterdir()) == []
