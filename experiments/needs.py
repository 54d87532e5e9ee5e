"""What a point needs of the machine that it runs on, told before it starts (`testbed.labs.features`)."""

from __future__ import annotations

from experiments.composition import mptcp_of, parts_of
from experiments.stage import BUFFERS, PORTS
from testbed.labs.features import command, sysctl
from testbed.record.point import Point

_PROGRAMS = ("lighttpd", "tcpdump", "mnexec", "ip", "tc")


def features(point: Point) -> frozenset[str]:
    """The features of the kernel, the sysctls and the programs without which the point cannot run as it is meant."""
    parts = parts_of(point)
    found = set(map(command, _PROGRAMS))
    with parts.explained():
        for part in parts.by_kind().values():
            found |= part.features()
    found |= set(map(sysctl, (*BUFFERS, *PORTS, *point.sysctl)))
    found |= {sysctl(name) for values in point.sysctl_of.values() for name in values}
    if point.drop:
        found |= {"loss-injection", command("bpf-gcc")}
    if point.protocol == "mptcp":
        settings = mptcp_of(point)
        found |= {"mptcp", command("mptcpize"), *map(sysctl, {**settings.server_sysctls, **settings.patched_sysctls})}
    return frozenset(found)
