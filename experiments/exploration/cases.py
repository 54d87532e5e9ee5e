"""The cases of an exploration inside a guest: one after the other, each from the same state as the first."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from experiments.changes import Changes
from experiments.exploration.download import Target, load
from experiments.stage import Stage
from experiments.timetables.base import Change as Due
from testbed.base.errors import TestbedError
from testbed.directors.base import Director
from testbed.lab_clock import set_seed, start_afresh
from testbed.labs.kernel_messages import KMSG, message_of, open_log, records
from testbed.labs.verdict import complaints
from testbed.net import silence
from testbed.net.counters import protocol_counters
from testbed.net.fault_injection import Injector, Strike
from testbed.net.socket_counts import SocketCounts, socket_counts
from testbed.record.events import Kind
from testbed.record.exploration import Case, Change, Happened, Outcome
from testbed.timer import Timer

LONGEST_WAIT_S = 300.0
"""How long a connection's sockets may take to go, from its end: FIN_WAIT2 and TIME_WAIT are a minute each, and who
retransmits into silence gives up after some fifteen (`tcp_orphan_retries`)."""

_FIRST_WAIT_S, _WAIT_GROWS = 0.05, 1.5
_TIME_WAIT_S, _REST_S = 60.0, 6.0  # TCP_TIMEWAIT_LEN, and what the timer wheel adds
_WHEEL_S = 16.0
_OVERWRITTEN = ";WARNING: the kernel's log was overwritten before it was read"

_BEFORE: Mapping[Kind, Kind] = {
    "server-added": "server-removed",
    "server-back": "server-crashed",
    "director-back": "director-lost",
}
"""What must have happened so that a change can."""

_UNDOES: Mapping[Kind, Kind] = {
    "server-removed": "server-added",
    "server-drained": "server-added",
    "server-crashed": "server-back",
    "director-lost": "director-back",
    "path-flipped": "path-flipped",
    "link-down": "link-up",
    "link-silent": "link-up",
}
_ITS_OWN_END: tuple[Kind, ...] = ("director-restarted",)
EXPLORED: frozenset[Kind] = frozenset({*_BEFORE, *_UNDOES, *_ITS_OWN_END})
"""The changes that can be made and taken back."""

_ROUTES_COME_BACK_S = 30.0


def put_back(changes: Sequence[Change], made: Sequence[Change]) -> list[tuple[Kind, Change]]:
    """What makes the stage as it was before a case with these changes, in order, of which only some were `made`.

    The others were to come when the connection was over already: what had been done for them is undone.
    """
    found: list[tuple[Kind, Change]] = []
    for change in reversed(changes):
        is_made = any(each is change for each in made)
        if is_made and change.event in _UNDOES:
            found.append((_UNDOES[change.event], change))
        elif not is_made and change.event in _BEFORE:
            found.append((change.event, change))
    return found


class Cases:
    """Runs cases on a stage. `target` is what each loads, `bound_s` how long that may take."""

    def __init__(
        self, ready: Stage, injector: Injector, changes: Changes, target: Target, *, seed: int, bound_s: float
    ) -> None:
        self._ready, self._injector, self._changes = ready, injector, changes
        self._target, self._seed, self._bound_s = target, seed, bound_s
        self._hosts = [ready.client, *(server.node for server in ready.servers)]
        self._kernel_log = _KernelLog()
        self._wait_until_idle()
        self._idle = self._sockets()

    def run(self, case: Case, timer: Timer) -> Outcome:
        """Run one case; raises `TestbedError` where the stage cannot be had as it was."""
        happened: list[Happened] = []
        made: list[Change] = []
        due = [(change.at_s, self._noting(change, happened, made)) for change in case.changes]
        for change in case.changes:
            if before := _BEFORE.get(change.event):
                self._change(before, change)
        self._forget()
        counted = self._counters()
        self._injector.arm(_strikes(case))
        set_seed(self._seed)
        _wait_for_timer_wheel()
        start_afresh()
        began_epoch_s = time.time()
        loaded = load(self._ready.client, self._target, timer, bound_s=self._bound_s, changes=due)
        quiet_s, left = self._settle(loaded.began_s)
        self._injector.disarm()
        counts, ended_epoch_s = self._injector.counts(), time.time()
        moved = _differences(counted, self._counters())
        if left:  # who retransmits into silence goes on for a quarter of an hour
            for node in self._hosts:
                silence.destroy_sockets(node, self._ready.network.log)
        for event, change in put_back(case.changes, made):
            self._change(event, change)
        return Outcome(
            id=case.id,
            began_s=loaded.began_s,
            began_epoch_s=began_epoch_s,
            ended_epoch_s=ended_epoch_s,
            done_s=loaded.done_s,
            error=loaded.error,
            received_bytes=loaded.received_bytes,
            intact=loaded.intact,
            quiet_s=quiet_s,
            sockets_left=left,
            counters=moved,
            happened=tuple(happened),
            kernel=complaints(self._kernel_log.news()),
            struck=counts.struck,
            seen=counts.seen,
            log=base64.b64encode(self._injector.log()).decode(),
        )

    def _noting(self, change: Change, happened: list[Happened], made: list[Change]) -> Callable[[], None]:
        """What makes a change happen, and notes behind which packet that was."""
        act = self._changes.act(_due(change))

        def note_and_act() -> None:
            happened.append(Happened(event=change.event, after_packet=self._injector.counts().seen))
            made.append(change)
            act()

        return note_and_act

    def _change(self, event: Kind, change: Change) -> None:
        places = change.places
        if event == "path-flipped":
            directors = len(self._ready.layout.several)
            places = -places % (directors or len(self._ready.servers))
        self._changes.act(Due(0.0, event, change.server, change.director, places, change.link))()
        if event == "link-up":
            time.sleep(_ROUTES_COME_BACK_S)

    def _forget(self) -> None:
        """Directors that keep something of connections know of none, and begin with the first server again."""
        director, layout, network = self._ready.parts.director, self._ready.layout, self._ready.network
        if type(director).forget is Director.forget or len(layout.servers) == 1:
            return
        for name in layout.directors:
            director.forget(network, layout.of(name))
        self._changes.tell_directors()

    def _sockets(self) -> dict[str, SocketCounts]:
        return {node.name: socket_counts(node) for node in self._hosts}

    def _counters(self) -> dict[str, dict[str, int]]:
        return {node.name: protocol_counters(node) for node in self._hosts}

    def _settle(self, began_s: float) -> tuple[float | None, dict[str, int]]:
        """Wait until no socket of the connection is left, half-open or in TIME_WAIT neither; when none was.

        Else how many are left, by node.
        """
        quiet_s: float | None = None
        for left in self._waiting():
            if quiet_s is None and not any(left.values()):
                quiet_s = time.monotonic() - began_s
        return quiet_s, {name: count for name, count in left.items() if count and quiet_s is None}

    def _waiting(self) -> Iterator[dict[str, int]]:
        """By node the sockets beyond those of an idle one, now and again, until there are none in TIME_WAIT either."""
        delay_s, end_s = _FIRST_WAIT_S, time.monotonic() + LONGEST_WAIT_S
        is_quiet = False
        while True:
            now = self._sockets()
            left = {
                name: each.half_open
                + max(0, each.tcp - self._idle[name].tcp)
                + max(0, each.mptcp - self._idle[name].mptcp)
                for name, each in now.items()
            }
            yield left
            was_quiet, is_quiet = is_quiet, not any(left.values())
            if (is_quiet and not any(each.time_wait for each in now.values())) or time.monotonic() > end_s:
                return
            if is_quiet:  # what is left are connections in TIME_WAIT: each look costs more than the time
                time.sleep(_REST_S if was_quiet else _TIME_WAIT_S)
            else:
                time.sleep(delay_s)
                delay_s *= _WAIT_GROWS

    def _wait_until_idle(self) -> None:
        """Wait until what came before has left no connection."""
        end_s = time.monotonic() + LONGEST_WAIT_S
        while any(each.time_wait or each.half_open for each in self._sockets().values()):
            if time.monotonic() > end_s:
                raise TestbedError("connections of the servers' start are still there")
            time.sleep(1.0)


class _KernelLog:
    """What the kernel has logged since this was asked last."""

    def __init__(self) -> None:
        self._file = open_log(at_end=True) if Path(KMSG).exists() else None

    def news(self) -> Sequence[str]:
        return [] if self._file is None else list(map(message_of, records(self._file, _OVERWRITTEN)))


def _wait_for_timer_wheel() -> None:
    """Wait until the next whole second has the timers' wheel where it was at the start of any other case.

    A timer of a second is as late as the wheel's place makes it, up to 80 ms, and one of five seconds up to 640 ms
    (kernel/time/timer.c, `LVL_GRAN`, at 100 jiffies a second).
    """
    left_s = -time.monotonic() % _WHEEL_S
    time.sleep(left_s - 0.5 if left_s > 0.6 else left_s + _WHEEL_S - 0.5)


def _strikes(case: Case) -> list[Strike]:
    return [Strike(fault.packet, fault.what, round(fault.delay_s * 1e9)) for fault in case.faults]


def _due(change: Change) -> Due:
    return Due(change.at_s, change.event, change.server, change.director, change.places, change.link)


def _differences(
    before: Mapping[str, Mapping[str, int]], after: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """By node what was counted in between, of those counters that moved."""
    return {
        node: {name: moved for name, value in counts.items() if (moved := value - before[node].get(name, 0))}
        for node, counts in after.items()
    }
