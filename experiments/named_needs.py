"""Needs by the names that parts give them, until each part brings its own."""

from __future__ import annotations

from collections.abc import Collection

from testbed import network
from testbed.base.needs import Need, sysctl
from testbed.net import ipvs, loss_injection, mptcp, mptcp_settings, routing
from testbed.tools import apache_bench, large_reads, lighttpd, tcpdump
from topologies import links

_NAMED = {
    "veth": links.VETH,
    "bridge": links.BRIDGE,
    "rate": links.TBF,
    "tbf": links.TBF,
    "netem": links.NETEM,
    "ipvs": ipvs.NEED,
    "multipath": routing.MULTIPATH,
    "mptcp": next(need for need in mptcp.NEEDS if need.name == "MPTCP"),
    "loss-injection": next(need for need in loss_injection.NEEDS if need.kernel_options),
    "lighttpd:mod_webdav": lighttpd.UPLOADS,
    "large-reads": large_reads.NEED,
}
_PROGRAMS = (*network.NEEDS, *mptcp.NEEDS, *loss_injection.NEEDS)
_NAMED |= {f"command:{need.program}": need for need in _PROGRAMS if need.program}
_NAMED |= {f"command:{need.program}": need for need in (links.ETHTOOL, lighttpd.NEED, apache_bench.NEED, tcpdump.NEED)}


def named(names: Collection[str]) -> frozenset[Need]:
    """The needs with these names."""
    return frozenset(_NAMED.get(name) or _sysctl(name.partition(":")[2]) for name in names)


def every() -> frozenset[Need]:
    """Every need that a part can have, and those of every point."""
    return (
        frozenset(_NAMED.values())
        | routing.HASH
        | mptcp.NEEDS
        | set(map(mptcp.patched, mptcp_settings.PATCHED_SYSCTLS))
    )


def _sysctl(name: str) -> Need:
    return mptcp.patched(name) if name in mptcp_settings.PATCHED_SYSCTLS else sysctl(name)
