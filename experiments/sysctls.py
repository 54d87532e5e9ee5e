"""`[sysctl]` of an experiment's file: whose sysctls these are, and which of them do something there.

A name in `[sysctl]` itself is set on the client and on every server, one in `[sysctl.ROLE]` on the nodes with that role
alone. A sysctl that only a forwarding node obeys would be set on hosts in vain, and one that a key of `[mptcp]` sets
would be overwritten: both are refused, with the place where it belongs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from experiments.document import Document
from experiments.schema import Settings
from experiments.toml_source import KeyPath
from experiments.values import SYSCTL_ROLES, sysctl_name, sysctl_value
from experiments.words import did_you_mean
from testbed.net import ipvs

_HOSTS = ("client", "server")

# What obeys a name, and who that is. Source: Documentation/networking/ip-sysctl.rst and ipvs-sysctl.rst.
_ACTS = (
    (re.compile(r"net\.ipv[46]\.vs\."), "LVS", ("director",)),
    (re.compile(r"net\.ipv[46]\.fib_multipath_"), "a router with several nexthops", ("router",)),
    (
        re.compile(r"net\.ipv4\.ip_forward|net\.ipv[46]\.conf\.[^.]+\.(forwarding|send_redirects|proxy_arp|proxy_ndp)$"),
        "a node that forwards",
        ("director", "router"),
    ),
)  # fmt: skip

# What `testbed.net.mptcp` sets by itself, and by which key, and which of these the client has.
_OF_MPTCP = {
    "net.mptcp.enabled": "protocols",
    "net.mptcp.allow_join_initial_addr_port": "mptcp.deny_join",
    "net.mptcp.blackhole_timeout": "",
    "net.mptcp.pm_type": "mptcp.path_manager",
    "net.mptcp.add_addr_timeout": "mptcp.add_addr_timeout",
    "net.mptcp.add_addr_resend_interval": "mptcp.add_addr_resend_interval",
    "net.mptcp.lb_mode": "mptcp.lb_mode",
    "net.mptcp.enforce_deny_join_id0": "mptcp.enforce_deny_join",
    "net.mptcp.cwnd_push": "mptcp.cwnd_push",
    "net.mptcp.initial_rcv_wnd": "mptcp.cwnd_push",
    "net.mptcp.join_syn_rto_min": "mptcp.join_syn_rto_min",
}
_OF_CLIENT = (*tuple(_OF_MPTCP)[:3], *tuple(_OF_MPTCP)[-3:])
_OF_CLIENT_ALONE = "net.mptcp.join_syn_rto_min"
_FREE_WITHOUT_CWND_PUSH = "net.mptcp.initial_rcv_wnd"

_OF_LVS = ("net.ipv4.vs.", "net.ipv6.vs.")

Values = Mapping[str, str | int]


def of_hosts(settings: Settings) -> dict[str, str | int]:
    """The sysctls of client and servers alike."""
    return {name: value for name, value in settings.sysctl.items() if not isinstance(value, dict)}


def of_roles(settings: Settings) -> dict[str, dict[str, str | int]]:
    """The sysctls of each role that has some of its own."""
    tables = ((role, settings.sysctl.get(role)) for role in SYSCTL_ROLES)
    return {role: dict(table) for role, table in tables if isinstance(table, dict) and table}


def check(settings: Settings, document: Document) -> None:
    """Raise ConfigError with `file:line` for a role that nobody has there, or a sysctl that does nothing."""
    known = (*_HOSTS, settings.director.role)
    for key, value in settings.sysctl.items():
        if key in SYSCTL_ROLES and not isinstance(value, dict):
            raise document.error(("sysctl", key), f"sysctl.{key} must be a table", hint=f"[sysctl.{key}]")
        if key not in SYSCTL_ROLES and isinstance(value, dict):
            hint = did_you_mean(key, known, "the roles are")
            what = f"sysctl.{key}: a sysctl's value is a whole number or a text"
            raise document.error(("sysctl", key), what, hint=hint)
        if key in SYSCTL_ROLES and key not in known:
            what = f"[sysctl.{key}]: with the director {settings.director.part!r} there is no {key}"
            raise document.error(("sysctl", key), what, hint=f"the roles are: {', '.join(known)}")
    free = {_FREE_WITHOUT_CWND_PUSH} if settings.mptcp.cwnd_push == "off" else set()
    ours = {name: key for name, key in _OF_MPTCP.items() if name not in free}
    for name in of_hosts(settings):
        _check_name(name, _HOSTS, known, ours, document=document, path=("sysctl", name))
    for role, values in of_roles(settings).items():
        for name, value in values.items():
            path = ("sysctl", role, name)
            try:
                sysctl_name(name)
                sysctl_value(value)
            except ValueError as error:
                raise document.error(path, f"sysctl.{role}.{name}: {error}") from error
            _check_name(name, (role,), known, ours, document=document, path=path)
            # A director of a user's own may have IPVS without saying so in our words.
            is_ours = type(settings.director).__module__.startswith("testbed.directors.")
            if name.startswith(_OF_LVS) and is_ours and ipvs.NEED not in settings.director.needs:
                what = f"{name}: only LVS obeys it, and the director {settings.director.part!r} is none"
                raise document.error(path, what, hint="ipvs-nat, ipvs-dr and ipvs-tun are")


def _check_name(
    name: str,
    where: tuple[str, ...],
    known: tuple[str, ...],
    ours: Mapping[str, str],
    *,
    document: Document,
    path: KeyPath,
) -> None:
    for pattern, what, roles in _ACTS:
        if pattern.match(name) and not set(where) & set(roles):
            there = [role for role in roles if role in known]
            hint = f"write it in [sysctl.{there[0]}]" if there else "there is none here"
            raise document.error(path, f"{name}: only {what} obeys it, no {' or '.join(where)}", hint=hint)
    on_server = "server" in where and name != _OF_CLIENT_ALONE
    if name in ours and (on_server or (name in _OF_CLIENT and "client" in where)):
        key = ours[name]
        hint = f"the key for it is: {key}" if key else "it is always 0"
        raise document.error(path, f"{name}: the toolkit sets it itself, after this", hint=hint)
