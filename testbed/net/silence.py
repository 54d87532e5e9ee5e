"""A node whose links fall silent, as when its power goes: nothing leaves it and nothing comes in, and nobody is told.

The links stay up: a neighbour sees no carrier lost, as one does not behind a switch. What has left the node's network
card already is on its way and arrives. Source: net/sched/cls_matchall.c, at tc's clsact.
"""

from __future__ import annotations

import json

from testbed.base.errors import ReadbackError
from testbed.base.needs import kernel, program
from testbed.net.netns import Node
from testbed.process import CommandLog, run, run_lines

_HOOKS = ("ingress", "egress")

NEEDS = frozenset(
    {
        kernel(
            "dropping at tc's clsact",
            "CONFIG_NET_SCH_INGRESS",
            "CONFIG_NET_CLS_MATCHALL",
            "CONFIG_NET_ACT_GACT",
            purpose="a node without power",
            probe=(
                ("tc", "qdisc", "add", "dev", "lo", "clsact"),
                *(("tc", "filter", "add", "dev", "lo", hook, "matchall", "action", "drop") for hook in _HOOKS),
                ("tc", "qdisc", "del", "dev", "lo", "clsact"),
            ),
        ),
        kernel("destroying sockets", "CONFIG_INET_DIAG_DESTROY", purpose="a server without power"),
        program("tc", package="iproute2", purpose="a node without power"),
        program("ss", package="iproute2", purpose="a server without power"),
    }
)


def silence(node: Node, log: CommandLog) -> None:
    """Let nothing pass at any of the node's links; raises `ReadbackError`."""
    lines = []
    for interface in _links(node):
        lines.append(f"qdisc add dev {interface} clsact")
        lines += [f"filter add dev {interface} {hook} matchall action drop" for hook in _HOOKS]
    run_lines(node.enter("tc"), lines, log)
    for interface in _links(node):
        for hook in _HOOKS:
            found = run(node.enter("tc", "-j", "filter", "show", "dev", interface, hook), log=log).stdout
            if not any(each.get("kind") == "matchall" for each in json.loads(found or "[]")):
                raise ReadbackError(f"filter of {interface} ({hook})", "matchall", found)


def restore(node: Node, log: CommandLog) -> None:
    """Let everything pass again."""
    run_lines(node.enter("tc"), [f"qdisc del dev {interface} clsact" for interface in _links(node)], log)


def destroy_sockets(node: Node, log: CommandLog) -> None:
    """Let the node's kernel forget all TCP connections, as it does without power; what that sends must not pass.

    Of MPTCP these are the subflows; a connection that is left with none says nothing more. Raises `ReadbackError`.
    """
    run(node.enter("ss", "--kill", "--tcp", "--no-header", "state", "all", "exclude", "listening"), log=log)
    left = run(node.enter("ss", "--tcp", "--no-header", "state", "connected"), log=log).stdout
    if left.strip():
        raise ReadbackError(f"TCP connections of {node.name}", "none", left.strip())


def _links(node: Node) -> list[str]:
    """Its ends of the topology's links, by Mininet's names."""
    names = (line.split(":")[0].strip() for line in node.read("dev").splitlines()[2:])
    return sorted(name for name in names if name.startswith(f"{node.name}-eth"))
