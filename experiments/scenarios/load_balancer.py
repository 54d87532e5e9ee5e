"""The load-balancer scenario (paper section V-B, Fig. 5): page loads, or uploads, through an LVS director."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from experiments.point import Point
from experiments.scenarios.common import (
    Server,
    Stage,
    client_addresses,
    configure_hosts,
    loses_packets,
    losing,
    measured,
    sysctls_of,
    uploads,
    write_addresses,
)
from testbed.errors import CommandError, GuestTimeout
from testbed.net import ipvs, netem, routing, sysctl
from testbed.network import running
from testbed.process import CommandLog, Process
from testbed.tools import apache_bench
from topologies.links import LinkProfile
from topologies.load_balancer import LoadBalancerPlan, LoadBalancerTopo


@contextlib.contextmanager
def stage(point: Point, log: CommandLog) -> Iterator[Stage]:
    """Fig. 5 with every role configured and read back."""
    parameters = point.parameters
    # The injector of losses sits in the middle, never at the client's own interfaces.
    plan = LoadBalancerPlan(int(parameters["servers"]), switched=loses_packets(point))
    client_director = LinkProfile.of(parameters, "client_director")
    direct = LinkProfile.of(parameters, "direct")
    server_link = LinkProfile.of(parameters, "server")
    lossy_path = client_director.loss > 0 or server_link.loss > 0

    def framing(one: str, other: str) -> netem.Framing:
        """Single packets where there is loss to hit them, on the whole path that leads there."""
        through_director = plan.director in (one, other)
        lossy = lossy_path if through_director else direct.loss > 0
        return "packets" if lossy else "bursts"

    topo = LoadBalancerTopo(plan=plan, client_director=client_director, direct=direct, server=server_link)
    with running(topo, framing, log) as network, losing(point, network, plan.towards_client()) as injector:
        client, director = network[plan.client], network[plan.director]
        routing.add_address(director, f"{plan.director}-eth0", plan.vip, plan.prefix)
        servers = []
        for number, name in enumerate(plan.server_names(), start=1):
            server = Server(network[name], plan.local(number), plan.unique(number))
            routing.default_via(server.node, plan.gateway(number))
            routing.from_address(server.node, server.unique, f"{name}-eth1", "10.0.3.0/24")
            servers.append(server)
        settings = configure_hosts(point, client, servers, second_address=plan.client_second_address)
        settings["ipvs"] = ipvs.serve(director, plan.vip, plan.port, [server.local for server in servers])
        if own := sysctls_of(point, "director"):
            settings[director.name] = {"sysctl": sysctl.put(director, own)}
        settings["links"] = network.links
        yield Stage(
            network,
            client,
            tuple(servers),
            plan.vip,
            plan.port,
            client_addresses(
                point,
                plan.client_address,
                plan.client_direct_address,
                second_address=plan.client_second_address,
            ),
            (f"{plan.client}-eth0", f"{plan.client}-eth1"),
            settings,
            injector,
        )


def drive(point: Point, ready: Stage, out: Path) -> None:
    """Load (or put) the page `requests` times, `concurrency` at once, until ab ends by itself."""
    parameters = point.parameters
    write_addresses(ready, out)
    with measured(point, ready, out) as workload:
        argv = apache_bench.command(
            workload.url,
            concurrency=parameters["concurrency"],
            requests=parameters["requests"],
            mptcp=point.protocol == "mptcp",
            upload=workload.file if uploads(point) else None,
        )
        workload.sampler.start()
        workload.events.start()
        with apache_bench.start(ready.client, argv, out, log=ready.network.log) as bench:
            workload.sampler.run(lambda seconds: _ended(bench, seconds))
            workload.events.add("workload-ended")
            workload.sampler.sample()
            status = bench.wait()
        if status != 0:
            raise CommandError(argv, status, (out / "ab.stderr.txt").read_text())


def _ended(bench: Process, seconds: float) -> bool:
    try:
        bench.wait(seconds)
    except GuestTimeout:
        return False
    return True
