"""The paper's Fig. 5: a client, a layer-4 load balancer, servers with a second way to the client.

::

      10.0.1.2            10.0.1.1                10.0.(10+i).1     10.0.(10+i).2
    +--------+  client-director  +----------+  director-server  +----------+
    | client |-------------------| director |-------------------| server i |
    +--------+                   +----------+                   +----------+
      |  10.0.3.2              VIP 10.0.1.80                          | 10.0.3.(100+i)
      +------------------- direct (client's switch) ------------------+

The director translates addresses (LVS-NAT), so each server's way back to the client's first link leads
through it. With one server the direct network is a single link, with more (or where something must sit in
the middle of it) a switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mininet.topo import Topo

from topologies.links import LinkProfile

PICTURE = """\
              {client_director}
  client ------------------------- director        VIP {vip}
    | {client:<16}{director:>15} |
    | {client_direct:<32}| {server}
    |                                 |
    +----------------------------- server 1{more}
              {direct}
                                   unique {unique}, behind the director {local}
"""


@dataclass(frozen=True)
class LoadBalancerPlan:
    """Names, interfaces and addresses of the topology for `servers` servers."""

    servers: int
    switched: bool = False
    client: str = "c"
    director: str = "d"
    switch: str = "w"
    client_address: str = "10.0.1.2"
    client_direct_address: str = "10.0.3.2"
    client_second_address: str = "10.0.1.3"
    director_address: str = "10.0.1.1"
    vip: str = "10.0.1.80"
    port: int = 80
    prefix: int = 24

    def server_names(self) -> list[str]:
        """s1 ... sN."""
        return [f"s{number}" for number in range(1, self.servers + 1)]

    def has_switch(self) -> bool:
        """Whether the direct network is a switch."""
        return self.switched or self.servers > 1

    def towards_client(self) -> list[tuple[str, str]]:
        """Nodes and interfaces that everything of the client passes first; needs the switch."""
        return [(self.director, f"{self.director}-eth0"), (self.switch, f"{self.switch}-eth1")]

    def local(self, number: int) -> str:
        """Real server address of server `number` (from 1), behind the director."""
        return f"10.0.{10 + number}.2"

    def gateway(self, number: int) -> str:
        """The director's address on the link to server `number`."""
        return f"10.0.{10 + number}.1"

    def unique(self, number: int) -> str:
        """The unique address of server `number`, which it advertises by ADD_ADDR."""
        return f"10.0.3.{100 + number}"


class LoadBalancerTopo(Topo):  # type: ignore[misc]
    """Fig. 5 as a Mininet topology; each link carries its `LinkProfile` as `profile`."""

    def build(
        self, plan: LoadBalancerPlan, client_director: LinkProfile, direct: LinkProfile, server: LinkProfile
    ) -> None:
        """Add hosts and links; the interface names are Mininet's (`c-eth0` first)."""
        client = self.addHost(plan.client, ip=f"{plan.client_address}/{plan.prefix}")
        director = self.addHost(plan.director, forwards=True, ip=f"{plan.director_address}/{plan.prefix}")
        self.addLink(client, director, profile=client_director)
        names = plan.server_names()
        for number, name in enumerate(names, start=1):
            host = self.addHost(name, ip=f"{plan.local(number)}/{plan.prefix}")
            self.addLink(director, host, profile=server, params1={"ip": f"{plan.gateway(number)}/{plan.prefix}"})
        client_side = {"ip": f"{plan.client_direct_address}/{plan.prefix}"}
        if not plan.has_switch():
            unique = {"ip": f"{plan.unique(1)}/{plan.prefix}"}
            self.addLink(client, names[0], profile=direct, params1=client_side, params2=unique)
            return
        switch = self.addSwitch(plan.switch)
        self.addLink(client, switch, profile=direct, params1=client_side)
        for number, name in enumerate(names, start=1):
            self.addLink(name, switch, profile=direct, params1={"ip": f"{plan.unique(number)}/{plan.prefix}"})


def picture(parameters: Mapping[str, Any]) -> str:
    """The topology as text, with a point's parameters filled in."""
    plan = LoadBalancerPlan(int(parameters["servers"]))
    return PICTURE.format(
        client_director=LinkProfile.of(parameters, "client_director"),
        direct=LinkProfile.of(parameters, "direct"),
        server=LinkProfile.of(parameters, "server"),
        vip=plan.vip,
        client=plan.client_address,
        director=plan.director_address,
        client_direct=plan.client_direct_address,
        unique=plan.unique(1),
        local=plan.local(1),
        more=f" ... {plan.servers}" if plan.servers > 1 else "",
    )
