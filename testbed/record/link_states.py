"""Which links of a routed network carry packets, as one change after another makes it, and what cannot happen next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from testbed.record.events import Kind

_STATES: dict[str, str] = {"link-down": "down", "link-silent": "silent", "link-up": "up"}


@dataclass
class LinkStates:
    """The links by their names, all of them up at first."""

    names: Collection[str]
    state: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.state = dict.fromkeys(self.names, "up")

    def change(self, event: str, link: str) -> None:
        """Let it happen; what is about no link's state does nothing."""
        if event in _STATES:
            self.state[link] = _STATES[event]

    def problem(self, event: Kind, link: str) -> str:
        """Why it cannot happen now: there is no such link, or it would change nothing. An empty text: it can."""
        if link not in self.state:
            names = ", ".join(self.names)
            return f"there is no link {link!r}" + (f"; there are {names}" if names else ": the topology has no routers")
        if event in _STATES and (self.state[link] == "up") == (event == "link-up"):
            return f"link {link} is {self.state[link]} already"
        return ""
