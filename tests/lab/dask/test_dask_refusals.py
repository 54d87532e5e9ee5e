"""What keeps a cluster from being used is one line, and nothing has started."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import dask_cluster
import pytest
from dask_cluster import Cluster, Command

POINT = ("run", "fig07", "--out", "run", "--set", "workload.sizes=100 KB", "--set", "workload.total=1 MB")
MB = 1_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 50 MB."""
    target = tmp_path / "small"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={50 * MB}", "tmpfs", target], check=True)
    yield target
    subprocess.run(["umount", "--lazy", target], check=True)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without a worker."""
    (tmp_path / "cluster").mkdir()
    made = dask_cluster.start(tmp_path / "cluster")
    yield made
    made.stop()


def refused(command: Command, lab: str, status: int) -> str:
    done = command.run(*POINT, "--lab", lab, status=status)
    lines = [line for line in done.stderr.splitlines() if "Dask shows" not in line]
    assert done.stdout == "" and len(lines) == 1 and "Traceback" not in done.stderr
    assert not (command.work / "run").exists()
    return lines[0]


def test_a_scheduler_that_does_not_answer(command: Command) -> None:
    line = refused(command, "dask:127.0.0.1:9", 4)
    assert "dask:127.0.0.1:9: no scheduler answers: " in line and "dask scheduler" in line


@pytest.mark.skipif("os.geteuid() != 0", reason="mounts a small file system")
def test_a_worker_without_room(command: Command, empty: Cluster, small: Path) -> None:
    (empty.folder / "cramped").symlink_to(small)
    empty.start_worker("cramped")
    line = refused(command, empty.lab, 3)
    assert "MB free, a job needs 200 MB" in line and "--local-directory" in line


def test_a_worker_with_another_version_of_dask(command: Command, empty: Cluster, tmp_path: Path) -> None:
    # An environment of its own whose package says that it is another one.
    other = tmp_path / "other" / "distributed-1999.1.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: distributed\nVersion: 1999.1.0\n")
    empty.start_worker("other", PYTHONPATH=str(other.parent))
    line = refused(command, empty.lab, 3)
    assert "has distributed 1999.1.0, here it is " in line and "they must be the same" in line
