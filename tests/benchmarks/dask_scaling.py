"""k workers of a Dask cluster on k cores against one: `python tests/benchmarks/dask_scaling.py [WORKERS [POINTS]]`.

Each point is a boot of its own, so the rate is one of points per second; the same points by one worker first. It
needs an idle machine: k * 0.9 times the rate of one is what the lab is meant to come to.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "lab" / "dask"))

import dask_cluster
from dask_cluster import Command

from testbed.labs import cores

POINT = ("fig07", "--set", "protocols=mptcp", "--set", "workload.sizes=100 KB", "--set", "workload.total=20 MB")


def seconds_per_point(work: Path, workers: int, points: int) -> float:
    """Wall seconds from the first point's end to the last one's, by the points between: no start and no analysis."""
    folder = work / f"workers-{workers}"
    (folder / "cluster").mkdir(parents=True)
    cluster = dask_cluster.start(folder / "cluster")
    try:
        for number in range(workers):
            cluster.start_worker(f"w{number}")
        assert dask_cluster.settles(lambda: len(list(folder.glob("cluster/w*/dask-scratch-space"))) == workers, 30)
        time.sleep(3)
        command = Command(folder)
        command.run("run", *POINT, "--repeat", str(points), "--lab", cluster.lab, "--out", "run")
    finally:
        cluster.stop()
    ends = sorted(path.stat().st_mtime for path in folder.glob("run/points/*/outcome.json"))
    return (ends[-1] - ends[workers - 1]) / (len(ends) - workers)


def main(workers: int, points: int) -> None:
    """Print the two rates and what many workers come to."""
    with TemporaryDirectory() as folder:
        alone = seconds_per_point(Path(folder), 1, points)
        together = seconds_per_point(Path(folder), workers, points * workers)
    share = alone / together / workers
    sys.stdout.write(
        f"one worker: {alone:.2f} s a point; {workers} workers: {together:.2f} s a point: "
        f"{share * workers:.2f} times the rate, {share:.2f} of what they could\n"
    )
    sys.exit(0 if share >= 0.9 else 1)


if __name__ == "__main__":
    main(int((sys.argv[1:] or [len(cores.available())])[0]), int((sys.argv[2:] or [8])[0]))
