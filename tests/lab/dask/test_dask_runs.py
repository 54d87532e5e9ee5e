"""Runs on a cluster: the bytes of the uml lab, checked between workers, whatever becomes of a worker or of the user."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from dask_cluster import Cluster, Command, attendants, kill, settles
from extent import in_test_all

POINTS = ("fig07", "--set", "protocols=mptcp", "--set", "workload.sizes=100 KB", "--set", "workload.total=1 MB")


def digests(run: Path) -> dict[str, object]:
    return {path.parent.name: json.loads(path.read_text())["files"] for path in run.glob("points/*/digests.json")}


def outcomes(run: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(run.glob("points/*/outcome.json"))]


@pytest.fixture(scope="module")
def in_uml(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The digests of three seeds of a point in the uml lab of this machine."""
    command = Command(tmp_path_factory.mktemp("uml"))
    command.run("run", *POINTS, "--repeat", "3", "--out", "run")
    return digests(command.work / "run")


def test_a_worker_that_is_killed_costs_time_and_no_point(
    cluster: Cluster, command: Command, in_uml: dict[str, object]
) -> None:
    run = command.start("run", *POINTS, "--repeat", "3", "--lab", cluster.lab, "--check-share", "0.25", "--out", "run")
    assert settles(lambda: any((job / "out" / "guest").exists() for job in cluster.jobs("two")), 60)
    kill(cluster.workers["two"])
    assert settles(lambda: not attendants(cluster) or cluster.jobs("two") == [], 20)
    cluster.start_worker("two")
    said, complaints = run.communicate(timeout=300)
    assert run.returncode == 0, complaints
    assert said.count(" ok ") == 3
    assert digests(command.work / "run") == in_uml
    assert "1 points were done by two workers each: the same bytes" in complaints
    checked = [each for each in outcomes(command.work / "run") if each.get("repeated_by")]
    assert len(checked) == 1 and checked[0]["repeated_by"] != checked[0]["machine"]
    assert cluster.jobs("one") == cluster.jobs("two") == [] and attendants(cluster) == {}


@in_test_all("two runs more: make test-all")
def test_an_interrupted_run_leaves_nothing_and_goes_on(
    cluster: Cluster, command: Command, in_uml: dict[str, object]
) -> None:
    words = ("--lab", cluster.lab, "--out", "run")
    run = command.start("run", *POINTS, "--repeat", "3", *words)
    assert settles(lambda: len(outcomes(command.work / "run")) >= 1, 120)
    run.send_signal(signal.SIGINT)
    _said, complaints = run.communicate(timeout=60)
    assert run.returncode == 130, complaints
    assert "of 3 points are kept" in complaints and complaints.count("Traceback") == 0
    assert attendants(cluster) == {} and cluster.jobs("one") == cluster.jobs("two") == []
    kept = digests(command.work / "run")
    assert 1 <= len(kept) < 3
    command.run("run", "--resume", *words)
    assert digests(command.work / "run") == in_uml


def test_workers_of_its_own_pass_output_status_and_files(command: Command) -> None:
    script = 'cat; echo oops >&2; echo made > "$TESTBED_OUT/file"; exit 7'
    words = ("exec", "--lab", "dask:local", "-i", "--out", "out", "--", "sh", "-c", script)
    done = command.run(*words, status=7, typed="typed\n")
    assert done.stdout == "typed\n" and done.stderr.splitlines()[-1] == "oops"
    assert (command.work / "out" / "file").read_text() == "made\n"
