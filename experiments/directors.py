"""What passes a point's directors while it is measured, and what they keep: captured, counted, sampled there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from experiments.record import write, write_list
from experiments.stage import Stage
from testbed.net import queues
from testbed.net.counters import interface_counters, protocol_counters
from testbed.net.netns import Node
from testbed.record import director
from testbed.record.director import DirectorCapture, DirectorStatistics, OfServer, Passed, Reading, StateSample
from testbed.tools import tcpdump


class Watch:
    """A point's directors: `begin` when nothing has passed yet, `sample` once a second, `settle` when all is over."""

    def __init__(self, stage: Stage, samples: IO[str]) -> None:
        self.nodes = [stage.network[name] for name in stage.layout.directors]
        self._part, self._layout = stage.parts.director, stage.layout
        self._samples = samples
        self.neighbours = {node.name: stage.network.neighbours(node.name) for node in self.nodes}
        self.before: dict[str, Reading] = {}
        self.after: dict[str, Reading] = {}
        self.after_s = (0.0, 0.0)
        self._servers = [server.node for server in stage.servers]
        self.passed_on: dict[str, Passed] = {}

    def begin(self) -> None:
        """Read all counts."""
        self.before = self._read()

    def sample(self, t_s: float) -> None:
        """Write a line on what they keep."""
        entries = {node.name: self._part.entries(node) for node in self.nodes}
        shares = {node.name: self._part.shares(node, self._layout.of(node.name)) for node in self.nodes}
        held = {name: each for name, each in shares.items() if each is not None}
        sample = StateSample(t=t_s, entries=entries, shares=held) if held else StateSample(t=t_s, entries=entries)
        self._samples.write(sample.line())

    def settle(self, now: Callable[[], float]) -> None:
        """Read all counts for the last time; `now` has the seconds since the workload's start."""
        from_s = now()
        self.after = self._read()
        self.after_s = (from_s, now())
        passed = {node.name: self._part.passed_on(node, self._layout) for node in self._servers}
        self.passed_on = {name: each for name, each in passed.items() if each is not None}

    def of_servers(self) -> dict[str, dict[str, OfServer]]:
        """What each balancer has counted of each server; a balancer's own sums may need two seconds."""
        found = {node.name: self._part.of_servers(node, self._layout.of(node.name)) for node in self.nodes}
        return {name: each for name, each in found.items() if each is not None}

    def _read(self) -> dict[str, Reading]:
        return {node.name: self._reading(node) for node in self.nodes}

    def _reading(self, node: Node) -> Reading:
        links = self.neighbours[node.name]
        return Reading(
            interfaces={name: each for name, each in interface_counters(node).items() if name in links},
            balancer=self._part.counted(node, self._layout.of(node.name)),
            dropped={name: each for name, each in queues.dropped(node).items() if name in links},
            resets=protocol_counters(node).get("TcpOutRsts", 0),
            entries=self._part.entries(node),
        )


@contextlib.contextmanager
def watching_directors(stage: Stage, out: Path, buffer_kib: int, snap_bytes: int) -> Iterator[Watch]:
    """Watch the directors until the block ends: captures at their links that lead away from the servers, counts.

    What was found is in `out` then.
    """
    servers = {server.place.name for server in stage.servers} | stage.layout.behind
    with (out / director.SAMPLES).open("w") as samples, ExitStack() as stack:
        watch = Watch(stage, samples)
        captured = {}
        for node in watch.nodes:
            towards_clients = [name for name, other in watch.neighbours[node.name].items() if other not in servers]
            capturing = tcpdump.capturing(
                node, towards_clients, out, log=stage.network.log, buffer_kib=buffer_kib, snap_bytes=snap_bytes
            )
            captured[node.name] = stack.enter_context(capturing)
        yield watch
        stack.close()
        found = [
            DirectorCapture(node=name, **capture.record().fields())
            for name, each in captured.items()
            for capture in each
        ]
        write_list(out / director.CAPTURES, found)
        # The captures' end took longer than the two seconds that a balancer's sums are late.
        told: dict[str, Any] = {"passed_on": watch.passed_on, "servers": watch.of_servers()}
        statistics = DirectorStatistics(
            neighbours=watch.neighbours,
            before=watch.before,
            after=watch.after,
            after_s=watch.after_s,
            **{name: each for name, each in told.items() if each},
        )
        write(out / director.FILE, statistics)
