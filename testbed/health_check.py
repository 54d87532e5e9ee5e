"""Health checks: a director connects to its servers now and then, and takes out of its pool who does not answer.

What keepalived, a cloud's load balancer or a router's own probes do. The connection is a real one, over TCP, from the
director's node to the address at which it knows the server.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from testbed.base.families import number_of
from testbed.base.quantities import PositiveDuration
from testbed.base.table import Table
from testbed.net.netns import Node, inside

_SHORTEST_S = 0.01


def _leaves_time(value: float) -> float:
    if value < _SHORTEST_S:
        raise ValueError(f"{value * 1e3:g} ms: checks come every {_SHORTEST_S * 1e3:g} ms at most")
    return value


_Interval = Annotated[PositiveDuration, AfterValidator(_leaves_time)]
_Times = Annotated[int, Field(ge=1, le=1000)]


class HealthCheck(Table):
    """How a director finds out that a server is gone: checks at `interval`, 2 x `interval`... of the workload."""

    interval_s: _Interval = Field(
        alias="interval", description="From one check of every server to the next, 10 ms at least."
    )
    timeout_s: PositiveDuration | None = Field(
        default=None,
        alias="timeout",
        description="How long the server may take to accept the connection; shorter than `interval`, half of it if "
        "not said.",
    )
    failures: _Times = Field(
        default=2, description="So many checks in a row must fail before the server is taken out of the pool."
    )
    successes: _Times = Field(default=1, description="So many must succeed before it is put back.")

    @model_validator(mode="after")
    def _has_an_answer_before_it_asks_again(self) -> Self:
        if self.answer_s >= self.interval_s:
            raise ValueError(f"timeout = {self.answer_s:g} s must be shorter than interval = {self.interval_s:g} s")
        return self

    @property
    def answer_s(self) -> float:
        """How long an answer may take."""
        return self.interval_s / 2 if self.timeout_s is None else self.timeout_s


@dataclass
class Checker:
    """One director's checks of its servers: `ask`, and when an answer may have taken long enough, `answers`.

    `verdicts` counts the checks in a row that have ended alike: above zero they succeeded, below they failed.
    """

    port: int
    settings: HealthCheck
    verdicts: dict[str, int] = field(default_factory=dict)
    sick: set[str] = field(default_factory=set)
    _asked: dict[str, socket.socket] = field(default_factory=dict)

    def ask(self, node: Node, addresses: Mapping[str, str]) -> None:
        """Begin to connect from a node to each of these servers, by its name."""
        with inside(node):
            for name, address in addresses.items():
                self._asked[name] = asked = socket.socket(number_of(address), socket.SOCK_STREAM)
                asked.setblocking(False)
                if asked.connect_ex((address, self.port)) not in (0, errno.EINPROGRESS):
                    asked.close()  # it has failed already: there is no way to the server, say

    def answers(self) -> list[str]:
        """The servers that are sick from now on, or well again; who has not answered by now has failed."""
        changed = []
        for name, asked in self._asked.items():
            has_accepted = _has_accepted(asked)
            asked.close()
            before = self.verdicts.get(name, 0)
            self.verdicts[name] = max(before, 0) + 1 if has_accepted else min(before, 0) - 1
            enough = self.settings.successes if has_accepted else -self.settings.failures
            if self.verdicts[name] == enough and (name in self.sick) == has_accepted:
                self.sick ^= {name}
                changed.append(name)
        self._asked.clear()
        return changed

    def forget(self) -> None:
        """Nothing is known of any server, as when the director starts."""
        self.cancel()
        self.verdicts.clear()
        self.sick.clear()

    def cancel(self) -> None:
        """What it had asked is never answered."""
        for asked in self._asked.values():
            asked.close()
        self._asked.clear()


def _has_accepted(asked: socket.socket) -> bool:
    if asked.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(asked, select.POLLOUT)
    return bool(poll.poll(0)) and asked.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
