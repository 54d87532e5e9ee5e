"""k workers of a Dask cluster on k cores against one.

`python tests/benchmarks/dask_scaling.py [WORKERS [POINTS [TURNS]]]`

The same points, each a boot of its own, in each of several turns

- in the uml lab, one at a time and k at a time: what k guests at once come to here without Dask, the machine's own
  ceiling (they share caches and memory, and in both labs the cores with the analysis of what has ended);
- on Dask, by one worker and by k of them, the scheduler and the toolkit on the same cores.

For each, wall and CPU seconds a point, the latter by who took them, and on Dask how long a worker waited between two
requests and why, as scheduler and workers have noted it. The rate is counted between the ends of the first points and
of the last: no start, and no analysis but what is done meanwhile. The ratio is printed for each turn, and its median
with the least and the most. Rates need an idle machine (three minutes a turn for two workers and 8 points each); CPU
seconds and waits nearly not.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "lab" / "dask"))

import dask_cluster
import dask_timeline
import distributed
import processor_time
from dask_cluster import Cluster, Command
from dask_timeline import Waits

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


def on_dask(folder: Path, workers: int, points: int) -> tuple[Rate, Waits]:
    """The rate of a cluster with so many workers, and how these waited."""
    with _cluster(folder, workers) as cluster, distributed.Client(cluster.address, set_as_default=False) as client:
        command = Command(folder)
        command.run("exec", "--lab", cluster.lab, "--", "true")  # each machine has what it needs from now on
        dask_timeline.prepare(client)
        toolkit = command.start("run", *POINT, "--repeat", str(points * workers), "--lab", cluster.lab, "--out", "run")
        pids = [each.pid for each in cluster.workers.values()]
        rate = Watched(folder, toolkit, [cluster.scheduler.pid], pids).rate(workers, points * workers)
        toolkit.communicate()
        names = [path.parent.name for path in folder.glob("run/points/*/outcome.json")]
        return rate, dask_timeline.waits(dask_timeline.read(client, names), folder / "run")


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


def _turn(folder: Path, workers: int, points: int, number: int) -> tuple[float, float]:
    """What many come to of as many times one, in the uml lab and on Dask; prints the rates."""
    rates: dict[tuple[str, int], Rate] = {}
    for at_once in (1, workers)[:: 1 if number % 2 else -1]:  # what drifts meanwhile favours neither
        rate = rates["uml", at_once] = in_uml(folder / f"uml-{at_once}", at_once, points)
        _say(rate.line(f"uml, {at_once} at a time"))
        rate, waits = on_dask(folder / f"dask-{at_once}", at_once, points)
        rates["dask", at_once] = rate
        _say(rate.line(f"dask, {at_once} at a time"))
        _say(waits.line(""))
    uml, dask = (rates[lab, 1].wall_s / rates[lab, workers].wall_s / workers for lab in ("uml", "dask"))
    _say(f"turn {number}: of {workers} times the rate of one: uml {uml:.2f}, dask {dask:.2f}\n")
    return uml, dask


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main(workers: int, points: int, turns: int) -> None:
    """Print the rates of each turn, and what many workers come to over all of them."""
    os.environ.update(VARIABLES | dask_timeline.VARIABLES)
    found = []
    for number in range(1, turns + 1):
        with TemporaryDirectory() as scratch:
            found.append(_turn(Path(scratch), workers, points, number))
    uml, dask = zip(*found, strict=True)
    beside = [of / ceiling for ceiling, of in found]
    _say(
        f"of {workers} times the rate of one, median of {turns} turns (least to most): uml {_spread(uml)}, "
        f"dask {_spread(dask)}, dask against uml in the same turn {_spread(beside)}\n"
    )
    sys.exit(0 if statistics.median(dask) >= WANTED else 1)


if __name__ == "__main__":
    given = list(map(int, sys.argv[1:]))
    main(*given, *(len(cores.available()), 8, 3)[len(given) :])
