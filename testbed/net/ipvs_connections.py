"""IPVS's table of connections, emptied: as it is when a director starts again."""

from __future__ import annotations

from testbed.net import ipvs, ipvs_statistics, sysctl
from testbed.net.ipvs import Forwarding, Service
from testbed.net.netns import Node
from testbed.process import wait_until

_EXPIRE = "net.ipv4.vs.expire_nodest_conn"


def forget(director: Node, service: Service, forwarding: Forwarding) -> None:
    """Let IPVS forget all connections of a service, with its servers; raises `GuestTimeout` if it does not.

    Connections go with their server where `expire_nodest_conn` says so (ip_vs_ctl.c, `__ip_vs_del_dest`).
    """
    sysctl.put(director, {_EXPIRE: 1})
    ipvs.set_servers(director, service, {}, forwarding)
    wait_until(
        lambda: ipvs_statistics.connections(director) == 0,
        f"no connections of IPVS on {director.name}",
        timeout_s=30,
    )
    sysctl.put(director, {_EXPIRE: 0})
