"""The daemon: hears the kernel's events, asks Fig. 4 what to do, does it, counts how it went.

It stands a flood: the socket's buffer is large; should it overflow all the same, the daemon reads what is
left and then asks the kernel which subflows there are (inet_diag), so that no connection is forgotten.
A command for a connection that is gone by then is refused by the kernel, counted, and no trouble.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.base.errors import PrerequisiteError, TestbedError
from testbed.net import netlink
from testbed.net.mptcp_pm import sockets, subflows
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.path_manager.figure4 import Command, PathManager, Settings
from testbed.path_manager.journal import Journal
from testbed.path_manager.options import Options, OwnAddresses

if TYPE_CHECKING:
    from testbed.net import join_check

PM_TYPE = Path("/proc/sys/net/mptcp/pm_type")
_USERSPACE = "1"


def run(
    settings: Settings,
    options: Options,
    journal: Journal,
    own_addresses: OwnAddresses | None,
    *,
    stop: socket.socket,
    ready: Callable[[], None],
) -> Counter[str]:
    """Manage the paths of this process's network namespace until `stop` is readable; what was done, counted.

    With `own_addresses` each connection is announced another address. Calls `ready` as soon as no connection
    can be missed any more. Raises `PrerequisiteError` if the kernel or its settings do not allow it.
    """
    family = sockets.find_family()
    with (
        _own_addresses(own_addresses) as addresses,
        sockets.CommandSocket(family) as commands,
        sockets.EventSocket(family, options.receive_buffer_bytes) as events,
        _in_charge(options.take_over),
    ):
        manager = PathManager(settings, addresses.of if addresses else None)
        daemon = _Daemon(manager, commands, events, journal, addresses)
        journal.note("started", receive_buffer_bytes=events.receive_buffer_bytes, **_settings_in_words(settings))
        daemon.resynchronise()
        ready()
        journal.note("ready")
        journal.flush()
        daemon.serve(stop)
        counts = daemon.statistics()
        journal.note("stopped", **counts)
    return counts


class _Daemon:
    def __init__(
        self,
        manager: PathManager,
        commands: sockets.CommandSocket,
        events: sockets.EventSocket,
        journal: Journal,
        addresses: _Addresses | None,
    ) -> None:
        self._manager = manager
        self._commands = commands
        self._events = events
        self._journal = journal
        self._addresses = addresses
        self._counts: Counter[str] = Counter()

    def serve(self, stop: socket.socket) -> None:
        poll = select.poll()
        poll.register(self._events, select.POLLIN)
        poll.register(stop, select.POLLIN)
        overrun = False
        while True:
            woken = [descriptor for descriptor, _ in poll.poll(self._patience_ms())]
            if stop.fileno() in woken:
                return
            batch = self._events.read()
            for event in batch.events:
                self._counts["events"] += 1
                self._journal.event(event)
                if isinstance(event, int):
                    self._counts["unknown-events"] += 1
                else:
                    self._manager.observe(event)
            if batch.overrun:
                self._counts["overruns"] += 1
                self._journal.note("overrun")
            # The kernel drops all further events until the buffer is empty: only then is a look at the
            # subflows sure to miss nothing.
            overrun |= batch.overrun
            if overrun and batch.drained:
                overrun = False
                self.resynchronise()
            if self._addresses and self._addresses.rotate_in_time():
                self._journal.note("secret-rotated")
            self._act()
            self._journal.flush()

    def resynchronise(self) -> None:
        """Compare with the subflows that the kernel has, and do what is due."""
        try:
            present = subflows.established()
        except TestbedError as error:
            self._counts["failed-resynchronisations"] += 1
            self._journal.note("resynchronise", result="failed", error=str(error))
            return
        self._counts["resynchronisations"] += 1
        self._manager.resynchronise(present)
        self._journal.note("resynchronise", result="ok", subflows=len(present), connections=len(self._manager))
        self._act()

    def statistics(self) -> Counter[str]:
        """Everything that was counted, also what is zero and worth knowing."""
        wanted = ("connections", "joined", "events", "overruns", "gone", "refused")
        counts = Counter(dict.fromkeys(wanted, 0))
        counts.update(self._manager.counts)
        counts.update(self._counts)
        if self._addresses:
            counts.update(self._addresses.check.counts())
        if self._journal.lost:
            counts["lost-journals"] = self._journal.lost
        return counts

    def _act(self) -> None:
        for command in self._manager.due(time.monotonic()):
            result, reason = self._send(command)
            self._counts[command.action if result == "ok" else result] += 1
            fields = {"reason": reason} if reason else {}
            self._journal.note(command.action, token=command.token, result=result, **fields)

    def _send(self, command: Command) -> tuple[str, str]:
        try:
            self._commands.send(command.message)
        except netlink.Refused as refusal:
            return ("gone" if is_gone(refusal) else "refused"), str(refusal)
        return "ok", ""

    def _patience_ms(self) -> float | None:
        deadlines = [self._manager.deadline(), self._addresses.rotates_at_s if self._addresses else None]
        known = [each for each in deadlines if each is not None]
        return max(0.0, min(known) - time.monotonic()) * 1000 if known else None


class _Addresses:
    """Unique addresses by tokens, and when the secret behind them changes."""

    def __init__(self, check: join_check.JoinCheck, rotate_s: float) -> None:
        self.check = check
        self._rotate_s = rotate_s
        self.rotates_at_s = time.monotonic() + rotate_s if rotate_s else None

    def of(self, token: int) -> SocketAddress:
        return SocketAddress(self.check.address_of(token))

    def rotate_in_time(self) -> bool:
        if self.rotates_at_s is None or time.monotonic() < self.rotates_at_s:
            return False
        self.check.rotate()
        self.rotates_at_s += self._rotate_s
        return True


@contextlib.contextmanager
def _own_addresses(wanted: OwnAddresses | None) -> Iterator[_Addresses | None]:
    if wanted is None:
        yield None
        return
    # For those who need it only: what a daemon imports shifts its point's bytes.
    from testbed.net import join_check
    from testbed.process import CommandLog

    what = wanted.interface, wanted.unique, wanted.prefix, wanted.work, CommandLog()
    with join_check.checking(*what, drops=wanted.checked) as check:
        yield _Addresses(check, wanted.rotate_s)


def is_gone(refusal: netlink.Refused) -> bool:
    """Whether a command was refused because its connection or subflow had ended before.

    The kernel says ESRCH for a subflow to be closed; for the rest it says EINVAL, as for any mistake, but
    of a connection in these words, and of a subflow whose priority is to be set in none.
    """
    if refusal.code == errno.EINVAL:
        return refusal.reason in ("", "invalid token")
    return refusal.code in (errno.ESRCH, errno.ENOENT, errno.ENOTCONN)


@contextlib.contextmanager
def _in_charge(take_over: bool) -> Iterator[None]:
    """See to it that the kernel leaves the paths to user space; back to the kernel before the events stop."""
    try:
        found = PM_TYPE.read_text().strip()
    except OSError as error:
        raise PrerequisiteError(
            f"{PM_TYPE}: {error.strerror}", hint="a path manager in user space needs Linux 5.19 with CONFIG_MPTCP"
        ) from error
    if found == _USERSPACE:
        yield
        return
    if not take_over:
        raise PrerequisiteError(
            f"net.mptcp.pm_type is {found}: the kernel manages the paths of this network namespace",
            hint="sysctl -w net.mptcp.pm_type=1, or give --take-over",
        )
    _write_pm_type(_USERSPACE)
    try:
        yield
    finally:
        _write_pm_type(found)


def _write_pm_type(value: str) -> None:
    try:
        PM_TYPE.write_text(value)
    except OSError as error:
        raise PrerequisiteError(f"net.mptcp.pm_type = {value}: {error.strerror}", hint="run it as root") from error


def _settings_in_words(settings: Settings) -> dict[str, object]:
    return {**vars(settings), "unique": [str(address) for address in settings.unique]}
