"""A link that fails: without carrier, which both ends notice at once, or silently, which nobody is told.

A silent link drops what arrives at an end, at tc's clsact: who has sent it sees nothing of that, and the carrier stays.
"""

from __future__ import annotations

from testbed.base.errors import ReadbackError
from testbed.base.needs import kernel, program
from testbed.net.netns import Node
from testbed.process import CommandLog, run, run_lines

NEEDS = frozenset(
    {
        kernel(
            "dropping at tc's clsact",
            "CONFIG_NET_SCH_INGRESS",
            "CONFIG_NET_CLS_MATCHALL",
            "CONFIG_NET_ACT_GACT",
            purpose="a link that falls silent",
            probe=(
                ("tc", "qdisc", "add", "dev", "lo", "clsact"),
                ("tc", "filter", "add", "dev", "lo", "ingress", "matchall", "action", "drop"),
                ("tc", "qdisc", "del", "dev", "lo", "clsact"),
            ),
        ),
        program("tc", package="iproute2", purpose="a link that falls silent"),
    }
)
"""What it needs that a link falls silent; for the rest `ip` does, which every topology needs."""

_IS_UP = 1
"""IFF_UP, include/uapi/linux/if.h."""


def cut(node: Node, interface: str, log: CommandLog) -> None:
    """Take the carrier from an end of a link, which loses its routes over it; raises `ReadbackError`."""
    _set(node, interface, log, up=False)


def mend(node: Node, interface: str, log: CommandLog) -> None:
    """Give it back; raises `ReadbackError`."""
    _set(node, interface, log, up=True)


def silence(node: Node, interface: str, log: CommandLog) -> None:
    """Let nothing arrive at this end; raises `ReadbackError`."""
    lines = [f"qdisc add dev {interface} clsact", f"filter add dev {interface} ingress matchall action drop"]
    run_lines(node.enter("tc"), lines, log)
    found = run(node.enter("tc", "filter", "show", "dev", interface, "ingress"), log=log).stdout
    if "matchall" not in found:
        raise ReadbackError(f"filter of {interface} (ingress)", "matchall", found)


def restore(node: Node, interface: str, log: CommandLog) -> None:
    """Let everything arrive there again."""
    run(node.enter("tc", "qdisc", "del", "dev", interface, "clsact"), log=log)


def _set(node: Node, interface: str, log: CommandLog, *, up: bool) -> None:
    word = "up" if up else "down"
    run(node.enter("ip", "link", "set", interface, word), log=log)
    flags = int(node.interface(interface, "flags"), 16)
    if bool(flags & _IS_UP) != up:
        raise ReadbackError(f"link {interface}", word, f"flags {flags:#x}")
