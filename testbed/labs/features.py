"""What a point can need of a kernel and a machine: names, what each is for, the cure where it is missing.

A feature is a name of `KERNEL`, or `sysctl:NAME` (one that a network namespace can set for itself), or `command:NAME`
(a program), or `lighttpd:NAME` (a module of the web server, which a package of its own may bring). `probe` finds out by
trying each for real, inside the lab, in a namespace that is thrown away (`testbed.labs.probes`); nothing is concluded
from a version or a configuration file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import PrerequisiteError


@dataclass(frozen=True)
class Feature:
    """A feature of the kernel: its name for people, what a point needs it for, and the cure."""

    title: str
    purpose: str
    cure: str


def _config(option: str, module: str = "") -> str:
    return f"a kernel with {option}" + (f" (module {module})" if module else "")


KERNEL: dict[str, Feature] = {
    "veth": Feature("veth", "links", _config("CONFIG_VETH", "veth")),
    "bridge": Feature("bridge", "a switch", _config("CONFIG_BRIDGE", "bridge")),
    "rate": Feature("tbf or netem", "the rate of a link", _config("CONFIG_NET_SCH_TBF", "sch_tbf")),
    "tbf": Feature("tbf", "the rate of a host's own card", _config("CONFIG_NET_SCH_TBF", "sch_tbf")),
    "netem": Feature("netem", "the delay or loss of a link", _config("CONFIG_NET_SCH_NETEM", "sch_netem")),
    "ipvs": Feature("IPVS", "the load balancer", _config("CONFIG_IP_VS, CONFIG_IP_VS_RR", "ip_vs")),
    "multipath": Feature("ECMP nexthops", "the anycast router", _config("CONFIG_IP_ROUTE_MULTIPATH")),
    "mptcp": Feature("MPTCP", "the protocol", _config("CONFIG_MPTCP")),
    "loss-injection": Feature(
        "BPF at tc's clsact", "the loss of a chosen packet", _config("CONFIG_NET_CLS_BPF, CONFIG_NET_SCH_INGRESS")
    ),
}
_SYSCTL, _COMMAND, _LIGHTTPD = "sysctl:", "command:", "lighttpd:"
_MODULES = {"mod_webdav": ("uploads", "lighttpd-mod-webdav")}  # what for, and Debian's package
_PATCHED = ("net.mptcp.add_addr_resend_interval", "net.mptcp.lb_mode", "net.mptcp.enforce_deny_join_id0")


@dataclass(frozen=True)
class Finding:
    """What became of the probe of one feature: `error` is empty if it works, else `cure` says what to do."""

    name: str
    title: str
    purpose: str = ""
    error: str = ""
    cure: str = ""

    @property
    def ok(self) -> bool:
        """Whether the feature works."""
        return not self.error


def sysctl(name: str) -> str:
    """The feature of a sysctl that a network namespace can set for itself."""
    return _SYSCTL + name


def command(name: str) -> str:
    """The feature of a program that can be found."""
    return _COMMAND + name


def lighttpd(module: str) -> str:
    """The feature of a module that lighttpd can load."""
    return _LIGHTTPD + module


def every() -> list[str]:
    """Every feature of the kernel, and the programs: what `testbed doctor --lab` asks for."""
    programs = ("ab", "lighttpd", "tcpdump", "mptcpize", "mnexec", "ip", "tc", "ethtool", "bpf-gcc")
    hashing = [f"net.ipv4.fib_multipath_hash_{part}" for part in ("policy", "fields", "seed")]
    return [*map(command, programs), *map(lighttpd, _MODULES), *KERNEL, *map(sysctl, (*hashing, *_PATCHED))]


def probe(names: Collection[str], run: Callable[[tuple[str, ...]], str]) -> list[Finding]:
    """Try each feature; `run` runs an argv in the lab and returns what it printed."""
    wanted = sorted(names, key=_order)
    if not wanted:
        return []
    said = run((sys.executable, "-m", "testbed.labs.probes", json.dumps(wanted)))
    errors: dict[str, str] = json.loads(said)
    return [judge(name, errors[name], _machine_has) for name in wanted]


def judge(name: str, error: str, machine_has: Callable[[str], bool]) -> Finding:
    """The finding for a feature whose probe said `error` (empty: it works).

    `machine_has`: whether a sysctl exists outside of the namespace: then it belongs to the whole machine.
    """
    kind, _, rest = name.partition(":")
    if name in KERNEL:
        known = KERNEL[name]
        return Finding(name, known.title, known.purpose, error, known.cure if error else "")
    title = f"{kind} {rest}"
    if kind == "lighttpd":
        purpose, package = _MODULES.get(rest, ("", rest))
        return Finding(name, title, purpose, error, f"run as root: apt-get install {package}" if error else "")
    if not error:
        return Finding(name, title)
    if kind == "command":
        return Finding(name, title, "", error, "run: make setup")
    if machine_has(rest):
        whole = "it belongs to the whole machine, which this lab never touches"
        return Finding(name, title, whole, error, "leave it out of [sysctl]")
    cure = "a kernel with the patches of kernel-patches/" if rest in _PATCHED else "a newer kernel"
    return Finding(name, title, "", error, cure)


def require(findings: Sequence[Finding], where: str) -> None:
    """Raise `PrerequisiteError`, one line that names all that is missing with its cure, unless all is there."""
    missing = [finding for finding in findings if not finding.ok]
    if missing:
        what = "; ".join(f"{finding.title} ({finding.purpose or finding.error})" for finding in missing)
        cures = "; ".join(dict.fromkeys(finding.cure for finding in missing))
        # Programs are this machine's own in that lab, too.
        if not all(finding.name.startswith((_COMMAND, _LIGHTTPD)) for finding in missing):
            cures += "; or use --lab uml, whose kernel has it all"
        raise PrerequisiteError(f"{where} lacks {what}", hint=cures)


def _order(name: str) -> tuple[int, str]:
    known = list(KERNEL)
    return (known.index(name) if name in KERNEL else len(known), name)


def _machine_has(name: str) -> bool:
    return (Path("/proc/sys") / name.replace(".", "/")).exists()
