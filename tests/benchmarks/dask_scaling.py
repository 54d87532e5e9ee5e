"""k workers of a Dask cluster on k cores against one: `python tests/benchmarks/dask_scaling.py [WORKERS [POINTS]]`.

The same points, each a boot of its own, in turn

- in the uml lab, one at a time and k at a time: what k guests at once come to here without Dask;
- on Dask, by one worker and by k of them, the scheduler and the toolkit on the same cores;
- on Dask, by one worker, all of it on one core: the k-th part of what the k workers have.

For each, wall and CPU seconds a point, the latter by who took them. The rate is counted between the ends of the first
points and of the last: no start, and no analysis but what is done meanwhile. Rates need an idle machine (below four
minutes for two workers), CPU seconds nearly not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "lab" / "dask"))

import dask_cluster
import processor_time
from dask_cluster import Cluster, Command

from testbed.labs import cores
from testbed.labs.dask.cluster import SAVING

POINT = ("fig07", "--set", "protocols=mptcp", "--set", "workload.sizes=100 KB", "--set", "workload.total=20 MB")
WANTED = 0.9
VARIABLES = {f"DASK_{name.replace('.', '__').upper()}": str(value) for name, value in SAVING.items()}
"""What docs/labs/dask.md sets for a scheduler and workers that are started by hand."""
_LOOK_S = 0.02
_PROCESSES = ("guests", "toolkit", "analysis", "scheduler", "workers", "attendants")


@dataclass(frozen=True)
class Rate:
    """Seconds a point: of the wall, and of the processor by who took them."""

    wall_s: float
    cpu_s: Mapping[str, float]

    def line(self, name: str) -> str:
        shares = "  ".join(f"{who} {self.cpu_s[who]:.2f}" for who in _PROCESSES if who in self.cpu_s)
        return f"{name:26} {self.wall_s:6.2f} s a point, {sum(self.cpu_s.values()):5.2f} CPU s: {shares}\n"


@dataclass
class Watched:
    """A run that is under way, and what else of its lab is a process of its own."""

    folder: Path
    toolkit: subprocess.Popen[str]
    scheduler: list[int] = field(default_factory=list)
    workers: list[int] = field(default_factory=list)

    def rate(self, at_once: int, points: int) -> Rate:
        """The rate from the end of the first points to that of the last ones."""
        began_s, before = self._after(at_once)
        ended_s, after = self._after(points)
        made = points - at_once
        return Rate((ended_s - began_s) / made, {who: (after[who] - before[who]) / made for who in after})

    def _after(self, count: int) -> tuple[float, dict[str, float]]:
        while len(list(self.folder.glob("run/points/*/outcome.json"))) < count:
            if self.toolkit.poll() is not None:
                raise SystemExit(f"the run has ended: {self.toolkit.communicate()[1]}")
            time.sleep(_LOOK_S)
        return time.monotonic(), self._cpu_s()

    def _cpu_s(self) -> dict[str, float]:
        attendants = [pid for worker in self.workers for pid in processor_time.children(worker)]
        spent = {
            "guests": sum(map(processor_time.ended_s, attendants or [self.toolkit.pid])),
            "toolkit": processor_time.own_s(self.toolkit.pid),
            "analysis": sum(map(processor_time.own_s, _analysing(self.toolkit.pid))),
        }
        if self.workers:
            spent["scheduler"] = sum(map(processor_time.own_s, self.scheduler))
            spent["workers"] = sum(map(processor_time.own_s, self.workers))
            spent["attendants"] = sum(map(processor_time.own_s, attendants))
        return spent


def _analysing(toolkit: int) -> list[int]:
    """The processes of a run that analyse its points: none of them ends before the last one has."""
    found = processor_time.children(toolkit)
    return [pid for pid in found if b"multiprocessing" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def in_uml(folder: Path, at_once: int, points: int) -> Rate:
    """The rate of the uml lab of this machine."""
    folder.mkdir()
    toolkit = Command(folder).start(
        "run", *POINT, "--repeat", str(points * at_once), "--jobs", str(at_once), "--out", "run"
    )
    rate = Watched(folder, toolkit).rate(at_once, points * at_once)
    toolkit.communicate()
    return rate


def on_dask(folder: Path, workers: int, points: int) -> Rate:
    """The rate of a cluster with so many workers."""
    with _cluster(folder, workers) as cluster:
        command = Command(folder)
        command.run("exec", "--lab", cluster.lab, "--", "true")  # each machine has what it needs from now on
        toolkit = command.start("run", *POINT, "--repeat", str(points * workers), "--lab", cluster.lab, "--out", "run")
        pids = [each.pid for each in cluster.workers.values()]
        rate = Watched(folder, toolkit, [cluster.scheduler.pid], pids).rate(workers, points * workers)
        toolkit.communicate()
    return rate


@contextmanager
def _cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    (folder / "cluster").mkdir(parents=True)
    cluster = dask_cluster.start(folder / "cluster")
    try:
        for number in range(workers):
            cluster.start_worker(f"w{number}")
        assert dask_cluster.settles(lambda: len(list(folder.glob("cluster/w*/dask-scratch-space"))) == workers, 30)
        time.sleep(3)
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def _one_core() -> Iterator[None]:
    """Whatever is started meanwhile has one core."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def main(workers: int, points: int) -> None:
    """Print the rates and what many workers come to."""

    def say(name: str, rate: Rate) -> Rate:
        sys.stdout.write(rate.line(name))
        sys.stdout.flush()
        return rate

    os.environ.update(VARIABLES)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        one = say("uml, one at a time", in_uml(folder / "uml-1", 1, points))
        many = say(f"uml, {workers} at a time", in_uml(folder / "uml-k", workers, points))
        alone = say("dask, one worker", on_dask(folder / "dask-1", 1, points))
        together = say(f"dask, {workers} workers", on_dask(folder / "dask-k", workers, points))
        with _one_core():
            confined = say("dask, one on one core", on_dask(folder / "dask-c", 1, points))
    share = alone.wall_s / together.wall_s / workers
    sys.stdout.write(
        f"of {workers} times the rate of one: uml {one.wall_s / many.wall_s / workers:.2f}, dask {share:.2f}, dask "
        f"against one worker on one core {confined.wall_s / together.wall_s / workers:.2f}; "
        f"dask against uml, {workers} at a time: {many.wall_s / together.wall_s:.2f}\n"
    )
    sys.exit(0 if share >= WANTED else 1)


if __name__ == "__main__":
    main(int((sys.argv[1:] or [len(cores.available())])[0]), int((sys.argv[2:] or [8])[0]))
