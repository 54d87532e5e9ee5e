"""Which servers and directors there are, as one change after another makes it, and what cannot happen next.

Servers are known by their names, directors by their numbers from 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from testbed.record.events import Kind

_T = TypeVar("_T")
State = Literal["in", "drained", "out"]

_STATES: dict[str, State] = {"server-added": "in", "server-drained": "drained", "server-removed": "out"}
_ALREADY = {"in": "in the pool already", "drained": "drained already", "out": "not in the pool"}


@dataclass
class Pool:
    """So many `directors`, and `everybody`: the servers, all of them in the pool at first.

    `sick` are the names of those directors whose health checks have taken a server out of their own pool, by server.
    """

    everybody: Sequence[str]
    directors: int = 1
    state: dict[str, State] = field(init=False)
    crashed: set[str] = field(default_factory=set, init=False)
    sick: dict[str, set[str]] = field(default_factory=dict, init=False)
    lost: set[int] = field(default_factory=set, init=False)
    turned: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.state = dict.fromkeys(self.everybody, "in")

    @property
    def servers(self) -> list[str]:
        """Those that get new connections, with power or without."""
        return [name for name in self.state if self.state[name] == "in"]

    @property
    def drained(self) -> list[str]:
        """Those that get none, and keep what they have."""
        return [name for name in self.state if self.state[name] == "drained"]

    def in_use(self, sick: Collection[str]) -> set[str]:
        """Those to which a director passes anything on that has found these `sick`.

        Who finds everybody sick is more likely sick itself: then all stay, as with most load balancers.
        """
        well = [name for name in self.servers if name not in sick]
        return {*(well or self.servers), *(name for name in self.drained if name not in sick)}

    @property
    def outside(self) -> set[str]:
        """Those to which nothing leads: taken out of the pool, or sick to the health checks of every director."""
        return {name for name in self.state if self.state[name] == "out"} | {
            name for name, directors in self.sick.items() if len(directors) >= self.directors
        }

    @property
    def gone(self) -> set[str]:
        """Those that send nothing: nothing leads to them, or they have no power."""
        return self.outside | self.crashed

    @property
    def present(self) -> list[int]:
        """The directors that have power."""
        return [number for number in range(1, self.directors + 1) if number not in self.lost]

    def in_order(self, paths: Sequence[_T]) -> list[_T]:
        """Equal-cost paths in the order in which flips have left them: each takes the first so many to the end."""
        places = self.turned % len(paths) if paths else 0
        return [*paths[places:], *paths[:places]]

    def change(self, event: str, server: str = "", director: int = 0, places: int = 0, by: str = "") -> None:
        """Let it happen; what is no change does nothing. `by` is the director whose health check it was, of its own."""
        if by and event == "server-removed":
            self.sick.setdefault(server, set()).add(by)
        elif by and event == "server-added":
            self.sick.get(server, set()).discard(by)
        elif event in _STATES:
            self.state[server] = _STATES[event]
        elif event == "server-crashed":
            self.crashed.add(server)
        elif event == "server-back":
            self.crashed.discard(server)
        elif event == "director-lost":
            self.lost.add(director)
        elif event == "director-back":
            self.lost.discard(director)
        elif event == "path-flipped":
            self.turned += places

    def problem(self, event: Kind, server: str = "", director: int = 0, places: int = 0) -> str:
        """Why it cannot happen now: it would change nothing, or leave nobody. An empty text: it can."""
        if event == "path-flipped":
            return self._problem_of_a_flip(places)
        if event == "director-restarted":
            return f"director {director} has no power" if director in self.lost else ""
        if event in ("director-lost", "director-back"):
            return self._problem_of_a_director(director, back=event == "director-back")
        number = server.removeprefix("s")
        if event in ("server-crashed", "server-back"):
            if (server in self.crashed) == (event == "server-crashed"):
                return f"server {number} has {'no' if server in self.crashed else 'its'} power"
        elif self.state[server] == _STATES[event] or (event == "server-drained" and self.state[server] == "out"):
            return f"server {number} is {_ALREADY[self.state[server]]}"
        if event in ("server-added", "server-back"):
            return ""
        left = [name for name in self.servers if name != server]
        if any(name not in self.crashed for name in left):
            return ""
        return "no server that has power is left in the pool" if left else "no server is left in the pool"

    def _problem_of_a_director(self, director: int, *, back: bool) -> str:
        if (director in self.lost) != back:
            return f"director {director} is {'lost already' if director in self.lost else 'not lost'}"
        return "" if back or len(self.present) > 1 else "no director is left"

    def _problem_of_a_flip(self, places: int) -> str:
        paths, what = (self.present, "director") if self.directors > 1 else (self.servers, "server")
        if places % len(paths):
            return ""
        to = f"{len(paths)} {what}s" if len(paths) > 1 else f"1 {what}"
        return f"a flip by {places} leads every flow where it was: the paths are those to {to}"
