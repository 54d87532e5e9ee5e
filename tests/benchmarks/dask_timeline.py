"""What Dask's scheduler and workers noted of a run's requests: when each was at hand, began, ended and was home."""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

_UNFINISHED = "partial-"  # how the directory of a point that runs begins, after which its request is called
VARIABLES = {"DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "100000"}
"""What a scheduler must be started with."""


@dataclass(frozen=True)
class Done:
    """One request: seconds since the epoch. It was at hand when the scheduler gave it to its worker, and home when the
    toolkit had its answer and let go of it."""

    point: str
    worker: str
    at_hand_s: float
    began_s: float
    ended_s: float
    home_s: float


def prepare(client: Any) -> None:
    """Have the scheduler note what `read` reads, from now on."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the scheduler cannot import this
    client.get_task_stream()


def _transitions(dask_scheduler: Any) -> list[tuple[str, str, str, float]]:
    return [(str(of.key), of.start, of.finish, of.timestamp) for of in dask_scheduler.transition_log]


def read(client: Any, points: Sequence[str]) -> list[Done]:
    """The requests for these points that have come home, in the order of their beginnings."""
    at_hand: dict[str, float] = {}
    home: dict[str, float] = {}
    for key, before, after, time_s in client.run_on_scheduler(_transitions):
        if after == "processing":
            at_hand[key] = time_s
        elif before == "memory":
            home.setdefault(key, time_s)
    found = []
    for each in client.get_task_stream():
        key = str(each["key"])
        spans = [span for span in each["startstops"] if span["action"] == "compute"]
        point = key.rpartition("-")[0].removeprefix(_UNFINISHED)
        if spans and key in home and point in points:
            times = at_hand[key], spans[0]["start"], spans[-1]["stop"], home[key]
            found.append(Done(point, str(each["worker"]), *times))
    return sorted(found, key=lambda done: done.began_s)


@dataclass(frozen=True)
class Waits:
    """Milliseconds of each request but the first of a worker, and how long requests took."""

    idle: Sequence[float]
    """From the end of the request before on the same worker to its own beginning."""
    without_request: Sequence[float]
    """The part of it in which the worker had no request at hand."""
    homeward: Sequence[float]
    """From its end until the toolkit had it."""
    lengths: Sequence[float]
    around_guest: Sequence[float]
    """What a request took beyond its guest."""

    def line(self, name: str) -> str:
        length = statistics.fmean(self.lengths)
        share = statistics.fmean(self.idle) / (length + statistics.fmean(self.idle))
        return (
            f"{name:26} between requests {_of(self.idle)}, without one at hand {_of(self.without_request)}, "
            f"homeward {_of(self.homeward)}, around the guest {_of(self.around_guest)}, "
            f"a request {length:.0f} ms: a worker waits {share:.1%} of its time\n"
        )


def _of(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f}) ms"


def waits(requests: Sequence[Done], run: Path) -> Waits:
    """The waits of a run's requests, each worker's in turn."""
    pairs = [pair for of in _by_worker(requests) for pair in itertools.pairwise(of)]
    guests = {path.parent.name: json.loads(path.read_text())["wall_s"] for path in run.glob("points/*/outcome.json")}
    return Waits(
        idle=[1e3 * (after.began_s - before.ended_s) for before, after in pairs],
        without_request=[1e3 * max(0.0, after.at_hand_s - before.ended_s) for before, after in pairs],
        homeward=[1e3 * (each.home_s - each.ended_s) for each in requests],
        lengths=[1e3 * (each.ended_s - each.began_s) for each in requests],
        around_guest=[1e3 * (each.ended_s - each.began_s - guests[each.point]) for each in requests],
    )


def _by_worker(requests: Sequence[Done]) -> Iterator[list[Done]]:
    found = defaultdict(list)
    for each in requests:
        found[each.worker].append(each)
    yield from found.values()
