"""The paper's Fig. 12: a client, a router with equal-cost paths, servers that share an anycast address.

::

      10.0.1.2   10.0.1.1         10.0.(10+i).1   10.0.(10+i).2
    +--------+           +--------+             +----------+
    | client |-----------| router |-------------| server i |  anycast 10.0.0.80
    +--------+           +--------+             +----------+

Each server has one interface with its unique address and the anycast address on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mininet.topo import Topo

from topologies.links import LinkProfile

PICTURE = """\
         {client_link}                 {server_link} each
  client ----------------- router ----------------- server 1 ... {servers}
  {client}              ECMP, layer 4           anycast {anycast}
                                            unique  {unique} ... {last}
"""


@dataclass(frozen=True)
class AnycastPlan:
    """Names, interfaces and addresses of the topology for `servers` servers."""

    servers: int
    client: str = "c"
    router: str = "r"
    client_address: str = "10.0.1.2"
    client_second_address: str = "10.0.1.3"
    router_address: str = "10.0.1.1"
    anycast: str = "10.0.0.80"
    port: int = 80
    prefix: int = 24

    def server_names(self) -> list[str]:
        """s1 ... sN."""
        return [f"s{number}" for number in range(1, self.servers + 1)]

    def towards_client(self) -> list[tuple[str, str]]:
        """Node and interface that everything of the client passes first."""
        return [(self.router, f"{self.router}-eth0")]

    def unique(self, number: int) -> str:
        """The unique address of server `number` (from 1), which it advertises by ADD_ADDR."""
        return f"10.0.{10 + number}.2"

    def gateway(self, number: int) -> str:
        """The router's address on the link to server `number`."""
        return f"10.0.{10 + number}.1"


class AnycastTopo(Topo):  # type: ignore[misc]
    """Fig. 12 as a Mininet topology; each link carries its `LinkProfile` as `profile`."""

    def build(self, plan: AnycastPlan, client_link: LinkProfile, server_link: LinkProfile) -> None:
        """Add hosts and links; server i hangs on the router's interface `r-eth(i)`."""
        client = self.addHost(plan.client, ip=f"{plan.client_address}/{plan.prefix}")
        router = self.addHost(plan.router, forwards=True, ip=f"{plan.router_address}/{plan.prefix}")
        self.addLink(client, router, profile=client_link)
        for number, name in enumerate(plan.server_names(), start=1):
            server = self.addHost(name, ip=f"{plan.unique(number)}/{plan.prefix}")
            self.addLink(router, server, profile=server_link, params1={"ip": f"{plan.gateway(number)}/{plan.prefix}"})


def picture(parameters: Mapping[str, Any]) -> str:
    """The topology as text, with a point's parameters filled in."""
    plan = AnycastPlan(int(parameters["servers"]))
    return PICTURE.format(
        client_link=LinkProfile.of(parameters, "client"),
        server_link=LinkProfile.of(parameters, "server"),
        servers=plan.servers,
        client=plan.client_address,
        anycast=plan.anycast,
        unique=plan.unique(1),
        last=plan.unique(plan.servers),
    )
