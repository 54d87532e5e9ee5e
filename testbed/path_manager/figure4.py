"""Fig. 4 of the paper as a state machine: events of the kernel in, commands to the kernel out.

Nothing here touches a socket or a clock. `observe` takes what happened, `due` says what to do now; several
events may be observed before, so that a connection that has come and gone costs no command.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from testbed.net.mptcp_pm import commands
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.events import Event
from testbed.net.mptcp_pm.messages import EventType

if TYPE_CHECKING:
    from testbed.net.mptcp_pm.subflows import Subflow

MAX_REPEATS = 6
AddressOf = Callable[[int], SocketAddress]
Action = Literal["backup", "announce", "repeat-announce", "close-initial"]


@dataclass(frozen=True)
class Settings:
    """What the path manager does.

    `unique`: the address (and port) to announce, at most one per IP version; a connection gets the one of
    its own, or, if its socket takes both versions, the other one. `backup`: make the initial subflow a
    backup. `close_initial`: close it once a subflow to the unique address is up. `repeat_s`: announce again
    after so many seconds without such a subflow, then after twice as long, and so on, `MAX_REPEATS` times; 0
    leaves it to the kernel, which repeats an ADD_ADDR without echo three times every
    `net.mptcp.add_addr_timeout` seconds.
    """

    unique: tuple[SocketAddress, ...]
    address_id: int = 1
    backup: bool = True
    close_initial: bool = False
    repeat_s: float = 0.0


@dataclass(frozen=True)
class Command:
    """Something to ask of the kernel: what, for which connection, and the netlink message."""

    action: Action
    token: int
    message: Any = field(compare=False, repr=False)


@dataclass
class _Connection:
    token: int
    local: SocketAddress  # of the initial subflow
    remote: SocketAddress
    unique: SocketAddress
    joined: set[tuple[SocketAddress, SocketAddress]] = field(default_factory=set)
    has_joined: bool = False
    initial_open: bool = True
    is_backup: bool = False
    announced: int = 0
    close_asked: bool = False


class PathManager:
    """The connections that are known, and what is still to be done for them.

    `counts` says how many there were: `connections`; `adopted` ones, found and not heard of; those that
    were `already-unique`, opened to the unique address itself; those of an IP version with
    `no-unique-address`; `joined` ones. With `address_of` each connection has a unique address of its own, by its token.
    """

    def __init__(self, settings: Settings, address_of: AddressOf | None = None) -> None:
        self._settings = settings
        self._address_of = address_of
        self._connections: dict[int, _Connection] = {}
        self._left_alone: dict[int, tuple[SocketAddress, SocketAddress]] = {}  # by token, those that need nothing
        self._touched: dict[int, None] = {}  # in order
        self._repeats: list[tuple[float, int, int]] = []  # when, token, announcements made until then
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._connections)

    def observe(self, event: Event) -> None:
        """Take note of an event."""
        if event.type is EventType.ESTABLISHED:
            if event.server_side and event.local and event.remote:
                self._add(event.token, event.local, event.remote)
        elif event.type is EventType.CLOSED:
            self._connections.pop(event.token, None)
            self._left_alone.pop(event.token, None)
        elif event.local and event.remote and (connection := self._connections.get(event.token)):
            ends = (event.local, event.remote)
            if event.type is EventType.SUB_ESTABLISHED and not event.error:
                self._join(connection, *ends)
            elif event.type is EventType.SUB_CLOSED:
                connection.joined.discard(ends)
                if ends == (connection.local, connection.remote):
                    connection.initial_open = False

    def resynchronise(self, subflows: Iterable[Subflow]) -> None:
        """Take the subflows that there are for the truth: events were missed, or nobody had listened yet.

        A connection that is not fully established is left out: its event is still to come.
        """
        found: dict[int, list[Subflow]] = {}
        for subflow in subflows:
            found.setdefault(subflow.token, []).append(subflow)
        for token in self._connections.keys() - found.keys():
            del self._connections[token]
        for token in self._left_alone.keys() - found.keys():
            del self._left_alone[token]
        for token, present in found.items():
            for initial in present:
                if initial.initial and initial.server_side and initial.fully_established:
                    self._adopt(initial)
            connection = self._connections.get(token)
            if connection is not None:
                connection.initial_open = any(subflow.initial for subflow in present)
                connection.joined.clear()
                for subflow in present:
                    if not subflow.initial:
                        self._join(connection, subflow.local, subflow.remote)

    def due(self, now_s: float) -> list[Command]:
        """What to do now, each thing once; `now_s` and `deadline` are on one clock, of any origin."""
        todo = []
        for token in self._touched:
            if connection := self._connections.get(token):
                todo += self._next_steps(connection, now_s)
        self._touched.clear()
        while self._repeats and self._repeats[0][0] <= now_s:
            _, token, announced = heapq.heappop(self._repeats)
            connection = self._connections.get(token)
            if connection and connection.announced == announced and self._lonely(connection):
                todo.append(self._announce(connection, "repeat-announce", now_s))
        return todo

    def deadline(self) -> float | None:
        """When `due` may have something to do though nothing happened; None: never."""
        return self._repeats[0][0] if self._repeats else None

    def _add(self, token: int, local: SocketAddress, remote: SocketAddress) -> bool:
        known = self._connections.get(token)
        ends = (known.local, known.remote) if known else self._left_alone.get(token)
        if ends == (local, remote):
            return False
        self._left_alone.pop(token, None)
        # An IPv4 address that a socket of IPv6 sees is v4-mapped: such a socket can have subflows of either version.
        uniques = (self._address_of(token),) if self._address_of else self._settings.unique
        usable = [unique for unique in uniques if local.takes_both or unique.is_ipv4 == local.is_ipv4]
        usable.sort(key=lambda unique: unique.is_ipv4 != local.is_ipv4)
        self.counts["connections"] += 1
        if not usable:
            self.counts["no-unique-address"] += 1
            self._left_alone[token] = (local, remote)
        elif usable[0].plain_host == local.plain_host and usable[0].port in (0, local.port):
            self.counts["already-unique"] += 1
            self._left_alone[token] = (local, remote)
        else:
            self._connections[token] = _Connection(token, local, remote, usable[0])
            self._touched[token] = None
        return True

    def _adopt(self, initial: Subflow) -> None:
        if self._add(initial.token, initial.local, initial.remote):
            self.counts["adopted"] += 1
        if connection := self._connections.get(initial.token):
            connection.is_backup |= initial.backup

    def _join(self, connection: _Connection, local: SocketAddress, remote: SocketAddress) -> None:
        unique = connection.unique
        if local.plain_host == unique.plain_host and unique.port in (0, local.port):
            self.counts["joined"] += not connection.has_joined
            connection.has_joined = True
            connection.joined.add((local, remote))
            self._touched[connection.token] = None

    def _lonely(self, connection: _Connection) -> bool:
        return connection.initial_open and not connection.joined

    def _next_steps(self, connection: _Connection, now_s: float) -> list[Command]:
        steps = []
        ends = (connection.token, connection.local, connection.remote)
        # The priority first: a unique address that is the initial one with another port is not announced as a
        # backup then (the kernel looks an announced address up without its port).
        if self._settings.backup and connection.initial_open and not connection.is_backup:
            connection.is_backup = True
            steps.append(Command("backup", connection.token, commands.set_backup(*ends)))
        if not connection.announced and self._lonely(connection):
            steps.append(self._announce(connection, "announce", now_s))
        # With a join in place the connection cannot have fallen back to TCP, and survives the close.
        if self._settings.close_initial and connection.joined and connection.initial_open:
            if not connection.close_asked:
                steps.append(Command("close-initial", connection.token, commands.subflow_destroy(*ends)))
            connection.close_asked = True
        return steps

    def _announce(self, connection: _Connection, action: Action, now_s: float) -> Command:
        if self._settings.repeat_s and connection.announced < MAX_REPEATS:
            when_s = now_s + self._settings.repeat_s * 2**connection.announced
            heapq.heappush(self._repeats, (when_s, connection.token, connection.announced + 1))
        connection.announced += 1
        message = commands.announce(connection.token, connection.unique, self._settings.address_id)
        return Command(action, connection.token, message)
