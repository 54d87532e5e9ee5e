"""What a director is asked: the base of every director in this folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal

from pydantic import Field

from testbed.base.families import Family
from testbed.base.needs import Need
from testbed.base.parts import Complaint, Part
from testbed.base.registry import Registry
from testbed.health_check import HealthCheck
from testbed.net.netns import Node
from testbed.network import Network
from testbed.record.director import Balanced, OfServer, Passed
from testbed.record.events import Kind
from topologies.base import Topology
from topologies.layout import Layout, RoutedLink, ServerPlace

LAB_KERNEL = ((1 << 64) - 1, "the lab kernel")
"""What takes every point's seed: `rng_seed=` (strtoull, patch 0001)."""


class Director(Part, ABC):
    """Spreads the service address over the servers; each thing that it sets is read back.

    Its methods are about one node, `layout.director`. Of several directors each is asked for itself, with the layout as
    that one has it (`Layout.of`); only `prepare_server` is asked once for each server, with the layout of all of them.

    `service_path` is how figures call the path to the service address, `role` how an experiment file calls the node,
    `largest_seed` the largest seed that a point can have, and what bounds it. `by_order`: which server a flow comes to
    depends on the order of the pool, as over a router's equal-cost paths, which a flip turns. `carries_joins`: what
    servers announce is of the service address, so that joins, and all that they carry, come by the director as well.
    `drawn_as` is what a topology's picture has of it, if that is not the part's name.
    `families` are those of which the service address can be, `ipv6_needs` what it needs besides where that is of IPv6.
    `checks_after_restart`: whether servers' answers to its health check still reach it once it has started again.
    """

    service_path: ClassVar[str] = "director"
    role: ClassVar[Literal["director", "router"]] = "director"
    largest_seed: ClassVar[tuple[int, str]] = LAB_KERNEL
    by_order: ClassVar[bool] = False
    carries_joins: ClassVar[bool] = False
    drawn_as: ClassVar[str] = ""
    families: ClassVar[frozenset[Family]] = frozenset({"ipv4"})
    checks_after_restart: ClassVar[bool] = True
    ipv6_needs: ClassVar[frozenset[Need]] = frozenset()

    health_check: HealthCheck | None = Field(
        default=None,
        description="How it finds out by itself that a server is gone, and takes it out of its pool; by default it "
        "does not, and is told by the timetable alone.",
    )

    @abstractmethod
    def socket_address(self, layout: Layout, server: ServerPlace) -> str:
        """The address that a server's own socket sees for the initial subflow."""

    def announced(self, _layout: Layout, server: ServerPlace) -> tuple[str, int]:
        """What a server announces for joins: its unique address, or another one, and a port (0: the service's own)."""
        return server.unique, 0

    def running(self, network: Network, layout: Layout) -> AbstractContextManager[None]:
        """Its programs, from before `serve` until the block ends; none if not said."""
        del network, layout
        return nullcontext()

    @abstractmethod
    def serve(self, network: Network, layout: Layout, seed: int) -> dict[str, Any]:
        """Begin to spread the service address over all servers; returns the settings as they read back.

        Raises `ReadbackError`.
        """

    @abstractmethod
    def set_pool(self, network: Network, layout: Layout, servers: Sequence[ServerPlace]) -> None:
        """From now on, new connections come to these servers, at least one, and what else that does to old ones.

        Whether it was drained before, or another was, a server that is not among them is out.
        """

    def drain(
        self, network: Network, layout: Layout, servers: Sequence[ServerPlace], drained: Sequence[ServerPlace]
    ) -> None:
        """As `set_pool`, but those `drained` keep the connections that they have. A director that has none cannot."""
        raise NotImplementedError

    def forget(self, network: Network, layout: Layout) -> None:
        """What it knew of connections is gone, as when its node starts again; it is told of its pool afterwards.

        Nobody can reach the node meanwhile. A director that has no such method cannot be lost and come back.
        """
        raise NotImplementedError

    def restart(self, network: Network, layout: Layout) -> None:
        """It starts again on a node that stays up and can be reached: by default, all that it knew is forgotten."""
        self.forget(network, layout)

    def routed_links(self, layout: Layout) -> tuple[RoutedLink, ...]:
        """The links over which a routing protocol goes; of a director that runs none, none."""
        del layout
        return ()

    def set_cost(self, network: Network, layout: Layout, link: RoutedLink, cost: int) -> None:
        """One of these links costs that much from now on, in both directions. Raises `ReadbackError`."""
        raise NotImplementedError

    def checked_from(self, layout: Layout, _server: ServerPlace) -> str:
        """The node from which its health check connects to a server."""
        return layout.director

    def cannot(self, event: Kind) -> bool:
        """Whether such an event cannot be with this director: it lacks what would be asked of it."""
        cannot_forget = type(self).forget is Director.forget
        lacking = {
            "server-drained": type(self).drain is Director.drain,
            "director-back": cannot_forget,
            "director-restarted": cannot_forget and type(self).restart is Director.restart,
        }
        return lacking.get(event, False)

    def carries_answers(self) -> bool:
        """Whether what the servers send from the service address comes back through it; not if they answer past it."""
        return True

    def counted(self, director: Node, layout: Layout) -> Balanced:
        """What the balancer itself has counted so far at one of its nodes, in each direction; nothing if not said.

        Asked around the workload, of points that want it (`director_statistics`).
        """
        del director, layout
        return Balanced()

    def entries(self, director: Node) -> int | None:
        """How many connections it keeps an entry of at one of its nodes, 0 if it keeps none; None: it cannot tell.

        Asked once a second, of the same points.
        """
        del director
        return None

    def shares(self, director: Node, layout: Layout) -> dict[str, int] | None:
        """How many buckets of its hash each server has at one of its nodes, by the server's name; None: it has none.

        Asked once a second, of the same points.
        """
        del director, layout
        return None

    def of_servers(self, director: Node, layout: Layout) -> dict[str, OfServer] | None:
        """What the balancer itself has counted of each server of the pool, by its name; None: it does not count them.

        Asked once, of the same points, at least two seconds after the workload.
        """
        del director, layout
        return None

    def server_interfaces(self, server: ServerPlace) -> tuple[str, ...]:
        """The interfaces of a server at which all is seen that it gets and sends by the service address."""
        return (server.interface,)

    def passed_on(self, server: Node, layout: Layout) -> Passed | None:
        """What a server has passed on to another one so far, because it was not its own; None: none of them does.

        Asked after the workload, of the same points.
        """
        del server, layout
        return None

    def prepare(self, network: Network, layout: Layout) -> None:
        """What its own node has before the servers are there; nothing if not said. Raises `ReadbackError`."""

    def prepare_server(self, network: Network, layout: Layout, server: ServerPlace) -> None:
        """What a server has before it serves; nothing if not said. Raises `ReadbackError`."""

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """What is wrong with the table as a whole, or with this director in such a topology."""
        del topology
        yield from ()


DIRECTORS = Registry(
    "director",
    Director,
    "testbed.directors",
    "directors",
    without=frozenset({"answering", "base", "bird_configuration", "lvs", "proxying", "routed_network"}),
)
