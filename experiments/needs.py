"""What a point needs of the machine that it runs on, told before it starts (`testbed.labs.features`)."""

from __future__ import annotations

from experiments.composition import parts_of
from experiments.point import Point
from experiments.stage import BUFFERS, PORTS, loses_packets
from testbed.labs.features import command, sysctl
from testbed.net import mptcp

_PROGRAMS = ("lighttpd", "tcpdump", "mnexec", "ip", "tc")


def features(point: Point) -> frozenset[str]:
    """The features of the kernel, the sysctls and the programs without which the point cannot run as it is meant."""
    parameters = point.parameters
    parts = parts_of(point.scenario, parameters)
    found = {*parts.setup.features(), *parts.director.features(), *parts.workload.features(), *map(command, _PROGRAMS)}
    found |= set(map(sysctl, (*BUFFERS, *PORTS, *parameters["sysctl"])))
    found |= {sysctl(name) for values in parameters.get("sysctl_of", {}).values() for name in values}
    if loses_packets(point):
        found |= {"loss-injection", command("bpf-gcc")}
    if point.protocol == "mptcp":
        found |= {"mptcp", command("mptcpize"), *map(sysctl, mptcp.SYSCTLS)}
        patched = mptcp.patched_sysctls(
            in_kernel=parameters["path_manager"] == "kernel",
            add_addr_resend_ms=parameters.get("add_addr_resend_ms", 0),
            lb_mode=parameters.get("lb_mode", "off"),
            enforce_deny_join=parameters.get("enforce_deny_join", False),
        )
        found |= set(map(sysctl, patched))
    return frozenset(found)
