"""What a timetable does to the links between routers: they fail, noticed or not, and cost more or less."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from experiments.timetables.base import Change
from testbed.directors.base import Director
from testbed.net import link_failure
from testbed.net.netns import Node
from testbed.network import Network
from testbed.process import CommandLog
from topologies.layout import Layout, LinkEnd


class LinkFailures:
    """The links of a routed network as the timetable has left them so far."""

    def __init__(self, network: Network, director: Director, layout: Layout) -> None:
        self._network, self._director, self._layout = network, director, layout
        self._links = {link.name: link for link in layout.routed}
        self._deaf: dict[str, Sequence[LinkEnd]] = {}

    def change(self, change: Change) -> None:
        """Let it happen; raises `CommandError`, `ReadbackError`."""
        link = self._links[change.link]
        if change.event == "link-cost":
            assert change.cost is not None
            self._director.set_cost(self._network, self._layout, link, change.cost)
        elif change.event == "link-down":
            self._at(link.ends, link_failure.cut)
        elif change.event == "link-silent":
            # What goes towards the client arrives at the nearer end.
            deaf = {"": link.ends, "towards_client": (link.near,), "towards_server": (link.far,)}[change.direction]
            self._deaf[link.name] = deaf
            self._at(deaf, link_failure.silence)
        elif silent := self._deaf.pop(link.name, ()):
            self._at(silent, link_failure.restore)
        else:
            self._at(link.ends, link_failure.mend)

    def _at(self, ends: Sequence[LinkEnd], act: Callable[[Node, str, CommandLog], None]) -> None:
        for end in ends:
            act(self._network[end.node], end.interface, self._network.log)
