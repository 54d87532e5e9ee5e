"""What a point needs of the machine that it runs on, told before it starts (`testbed.labs.features`)."""

from __future__ import annotations

from experiments.point import Point
from experiments.scenarios import common
from testbed.labs.features import command, lighttpd, sysctl
from testbed.net import mptcp, routing
from testbed.tools.lighttpd import UPLOAD_MODULE
from topologies.links import LinkProfile
from topologies.load_balancer import LoadBalancerPlan

_LINKS = {"load-balancer": ("client_director", "direct", "server"), "anycast": ("client", "server")}
_PROGRAMS = ("ab", "lighttpd", "tcpdump", "mnexec", "ip", "tc")


def features(point: Point) -> frozenset[str]:
    """The features of the kernel, the sysctls and the programs without which the point cannot run as it is meant."""
    parameters = point.parameters
    links = [LinkProfile.of(parameters, name) for name in _LINKS[point.scenario]]
    found = {"veth", "rate", "tbf", *map(command, _PROGRAMS)}
    found |= set(map(sysctl, (*common.BUFFERS, *common.PORTS, *parameters["sysctl"])))
    found |= {sysctl(name) for values in parameters.get("sysctl_of", {}).values() for name in values}
    if any(link.delay_s or link.loss for link in links):
        found.add("netem")
    if any(link.loss for link in links):
        found.add(command("ethtool"))
    if point.scenario == "anycast":
        found |= {"multipath", *map(sysctl, routing.HASH_SYSCTLS)}
    else:
        found.add("ipvs")
        if LoadBalancerPlan(int(parameters["servers"]), switched=common.loses_packets(point)).has_switch():
            found.add("bridge")
    if common.loses_packets(point):
        found |= {"loss-injection", command("bpf-gcc")}
    if common.uploads(point):
        found.add(lighttpd(UPLOAD_MODULE))
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
