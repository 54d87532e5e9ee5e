"""The anycast scenario (paper section V-C, Fig. 12): long downloads while servers leave and return."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.churn import schedule
from experiments.point import Point
from experiments.scenarios.common import (
    Server,
    Stage,
    client_addresses,
    configure_hosts,
    losing,
    measured,
    sysctls_of,
    write_addresses,
)
from testbed.errors import CommandError, GuestTimeout
from testbed.net import netem, routing, sysctl
from testbed.network import running
from testbed.process import CommandLog, Process
from testbed.sampler import Action
from testbed.tools import apache_bench
from topologies.anycast import AnycastPlan, AnycastTopo
from topologies.links import LinkProfile


@contextlib.contextmanager
def stage(point: Point, log: CommandLog) -> Iterator[Stage]:
    """Fig. 12 with every role configured and read back."""
    parameters = point.parameters
    plan = AnycastPlan(int(parameters["servers"]))
    client_link = LinkProfile.of(parameters, "client")
    server_link = LinkProfile.of(parameters, "server")

    def framing(_one: str, _other: str) -> netem.Framing:
        return "packets" if client_link.loss or server_link.loss else "bursts"

    topo = AnycastTopo(plan=plan, client_link=client_link, server_link=server_link)
    with running(topo, framing, log) as network, losing(point, network, plan.towards_client()) as injector:
        client, router = network[plan.client], network[plan.router]
        routing.default_via(client, plan.router_address)
        servers = []
        for number, name in enumerate(plan.server_names(), start=1):
            server = Server(network[name], plan.anycast, plan.unique(number))
            routing.add_address(server.node, f"{name}-eth0", plan.anycast, 32)
            routing.default_via(server.node, plan.gateway(number))
            servers.append(server)
        settings = configure_hosts(point, client, servers, second_address=plan.client_second_address)
        settings["router"] = routing.hash_by_flow(router, point.seed)
        if own := sysctls_of(point, "router"):
            settings["router"] |= sysctl.put(router, own)
        settings["nexthops"] = routing.nexthops(
            router, plan.anycast, [plan.unique(number) for number in range(1, plan.servers + 1)]
        )
        settings["links"] = network.links
        yield Stage(
            network,
            client,
            tuple(servers),
            plan.anycast,
            plan.port,
            client_addresses(point, plan.client_address, second_address=plan.client_second_address),
            (f"{plan.client}-eth0",),
            settings,
            injector,
        )


def drive(point: Point, ready: Stage, out: Path) -> None:
    """Download for `duration_s` with `concurrency` connections; the router's nexthops change by the schedule."""
    parameters = point.parameters
    plan = AnycastPlan(int(parameters["servers"]))
    router = ready.network[plan.router]
    write_addresses(ready, out)
    in_pool = {server.node.name: server.unique for server in ready.servers}
    present = dict(in_pool)
    with measured(point, ready, out) as workload:

        def change(event: str, server: str) -> Callable[[], None]:
            def act() -> None:
                if event == "server-removed":
                    present.pop(server)
                else:
                    present[server] = in_pool[server]
                routing.nexthops(router, plan.anycast, [in_pool[name] for name in in_pool if name in present])
                workload.events.add(event, server=server)

            return act

        changes = schedule(
            duration_s=parameters["duration_s"],
            cycle_s=parameters["cycle_s"],
            up_s=parameters["up_s"],
            servers=plan.servers,
        )
        argv = apache_bench.command(
            workload.url, concurrency=parameters["concurrency"], requests=None, mptcp=point.protocol == "mptcp"
        )
        workload.sampler.start()
        workload.events.start()
        with apache_bench.start(ready.client, argv, out, log=ready.network.log) as bench:
            workload.sampler.run(
                lambda seconds: _ended(bench, seconds),
                actions=[Action(c.t_s, change(c.event, c.server)) for c in changes],
                until_s=parameters["duration_s"],
            )
            early = bench.poll()
            workload.events.add("workload-ended")
            if early is not None:
                raise CommandError(argv, early, (out / "ab.stderr.txt").read_text())
            apache_bench.interrupt(bench)


def _ended(bench: Process, seconds: float) -> bool:
    try:
        bench.wait(seconds)
    except GuestTimeout:
        return False
    return True
