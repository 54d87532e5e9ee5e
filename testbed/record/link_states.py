"""Which links of a routed network carry packets, as one change after another makes it, and what cannot happen next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from testbed.record.events import Kind

_STATES: dict[str, str] = {"link-down": "down", "link-silent": "silent", "link-up": "up"}


@dataclass
class LinkStates:
    """The links by their names, all of them up at first, with their costs in routing where that matters."""

    names: Iterable[str]
    costs: Mapping[str, int] = field(default_factory=dict)
    state: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.state, self.costs = dict.fromkeys(self.names, "up"), dict(self.costs)

    def change(self, event: str, link: str, cost: int | None = None) -> None:
        """Let it happen; what is about no link does nothing."""
        if event in _STATES:
            self.state[link] = _STATES[event]
        elif event == "link-cost" and cost is not None:
            self.costs = {**self.costs, link: cost}

    def problem(self, event: Kind, link: str, cost: int | None = None) -> str:
        """Why it cannot happen now: there is no such link, or it would change nothing. An empty text: it can."""
        if missing := self.no_such(link):
            return missing
        if event in _STATES and (self.state[link] == "up") == (event == "link-up"):
            return f"link {link} is {self.state[link]} already"
        if event == "link-cost" and self.costs.get(link) == cost:
            return f"link {link} costs {cost} already"
        return ""

    def no_such(self, link: str) -> str:
        """That there is no such link, and which there are; an empty text if there is."""
        if link in self.state:
            return ""
        names = ", ".join(self.state)
        return f"there is no link {link!r}" + (f"; there are {names}" if names else ": the topology has no routers")
