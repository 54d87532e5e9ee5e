"""Names, interfaces, addresses and links of the paper's Fig. 5 (`topologies.load_balancer`)."""

from __future__ import annotations

from dataclasses import dataclass

from mininet.topo import Topo

from topologies.links import LinkProfile


@dataclass(frozen=True)
class LoadBalancerPlan:
    """Names, interfaces and addresses of the topology for `servers` servers."""

    servers: int
    switched: bool = False
    one_interface: bool = False
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
        return self.switched or self.one_interface or self.servers > 1

    def towards_client(self) -> list[tuple[str, str]]:
        """Nodes and interfaces that everything of the client passes first; needs the switch."""
        if self.one_interface:
            return [(self.switch, f"{self.switch}-eth1")]
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
        self,
        plan: LoadBalancerPlan,
        client_director: LinkProfile,
        direct: LinkProfile,
        server: LinkProfile,
        client_link: LinkProfile | None = None,
    ) -> None:
        """Add hosts and links; the interface names are Mininet's (`c-eth0` first)."""
        client = self.addHost(plan.client, ip=f"{plan.client_address}/{plan.prefix}")
        director = self.addHost(plan.director, forwards=True, ip=f"{plan.director_address}/{plan.prefix}")
        if client_link:
            switch = self.addSwitch(plan.switch)
            self.addLink(client, switch, profile=client_link)
            self.addLink(director, switch, profile=client_director.reversed)
        else:
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
        if not client_link:
            switch = self.addSwitch(plan.switch)
            self.addLink(client, switch, profile=direct, params1=client_side)
        for number, name in enumerate(names, start=1):
            unique = {"ip": f"{plan.unique(number)}/{plan.prefix}"}
            self.addLink(name, switch, profile=direct.reversed, params1=unique)
