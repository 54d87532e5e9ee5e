"""A worker that has nothing of ours gets toolkit and kernel, once, by their content, and comes to the same bytes.

It takes an environment that pip fills, so it runs where TESTBED_TEST_COMBINATIONS=all, as in `make test-all`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask_cluster
import pytest
from dask_cluster import BIN, Cluster, Command
from extent import in_test_all

POINT = ("fig07", "--set", "protocols=mptcp", "--set", "workload.sizes=100 KB", "--set", "workload.total=1 MB")

pytestmark = in_test_all("makes an environment with pip: make test-all")


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[Cluster]:
    """A worker in an environment that has Dask, and a cache with nothing in it."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    here = next((BIN.parent / "lib").glob("python*/site-packages"))
    there = next((folder / "venv" / "lib").glob("python*/site-packages"))
    for each in here.iterdir():
        if "mptcp_lb_testbed" not in each.name and not each.name.startswith(("__editable__", "_distutils")):
            (there / each.name).symlink_to(each)
    made = dask_cluster.start(folder)
    try:
        made.start_worker("strange", folder / "venv" / "bin" / "python", TESTBED_CACHE=str(folder / "cache"))
        yield made
    finally:
        made.stop()


def digests(run: Path) -> dict[str, object]:
    return {path.parent.name: json.loads(path.read_text())["files"] for path in run.glob("points/*/digests.json")}


def test_what_a_worker_lacks_is_sent_once(strange: Cluster, command: Command) -> None:
    done = command.run("run", *POINT, "--lab", strange.lab, "--out", "there")
    assert done.stderr.count("sending the toolkit and the lab kernel") == 1
    cache = strange.folder / "cache"
    (toolkit,) = (cache / "ssh" / "toolkits").glob("[!.]*")
    record = json.loads((command.work / "there" / "run.json").read_text())
    assert record["labs"][0]["toolkit_sha256"] == toolkit.name
    assert [path.name for path in (cache / "kernels").glob("[!.]*")] == [record["kernel"]["id"]]
    assert not list((cache / "ssh").glob("incoming/*"))
    again = command.run("run", *POINT, "--lab", strange.lab, "--out", "again")
    assert "sending" not in again.stderr
    command.run("run", *POINT, "--out", "here")
    assert digests(command.work / "there") == digests(command.work / "again") == digests(command.work / "here")
