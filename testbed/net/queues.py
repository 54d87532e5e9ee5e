"""The queues of a node's interfaces: all set by one `tc`, each read back; and what they have dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import if_indextoname
from typing import Any

from testbed.base.errors import ReadbackError
from testbed.net import netlink
from testbed.net.codecs import nla, nlmsg
from testbed.net.netns import Node, routing_socket
from testbed.process import CommandLog, run

UNKNOWN = "qdisc kind is unknown"
"""What `tc` says, among other things, on a kernel without a queue of that kind."""

_GET_QUEUES, _ROOT = 38, 0xFFFFFFFF  # RTM_GETQDISC, TC_H_ROOT


@dataclass(frozen=True)
class Queue:
    """The root queue of an interface: its kind, the words that `tc` is told it by, the settings that it then has.

    `read` finds in what `tc` shows of it those settings that it must have for certain.
    """

    interface: str
    kind: str
    words: tuple[str, ...]
    settings: Mapping[str, float]
    read: Callable[[Mapping[str, Any]], Mapping[str, float]]


def put(node: Node, queues: Sequence[Queue], log: CommandLog | None = None) -> list[dict[str, float]]:
    """Replace the root queues of a node's interfaces; the settings of each as it reads back.

    Raises `CommandError` if the kernel does not take one, `ReadbackError` if it took another.

    Calls `tc`: pyroute2 (0.9) mistakes netem's rate for an attribute of the queue and cannot send it.
    """
    lines = [f"qdisc replace dev {q.interface} root handle 1: {q.kind} {' '.join(q.words)}" for q in queues]
    argv = node.enter("tc", "-j", "-batch", "-")
    said = run(argv, stdin="".join(f"{line}\n" for line in (*lines, "qdisc show")), log=log).stdout
    shown = {(each["dev"], each["kind"]): each["options"] for each in json.loads(said) if each.get("root")}
    return [_compared(node, queue, shown.get((queue.interface, queue.kind))) for queue in queues]


def _compared(node: Node, queue: Queue, shown: Mapping[str, Any] | None) -> dict[str, float]:
    if shown is None:
        raise ReadbackError(f"queue of {node.name} {queue.interface}", queue.kind, "another kind")
    found = queue.read(shown)
    for name, value in found.items():
        if abs(value - queue.settings[name]) > 1e-6:
            raise ReadbackError(f"{queue.kind} {name} on {node.name} {queue.interface}", queue.settings[name], value)
    return {**queue.settings, **found}


def dropped(node: Node) -> dict[str, int]:
    """Packets that the root queue of each interface has dropped: for lack of room, or on purpose (netem's loss).

    What a node drops in its own queue on sending is in its counters (`TcpOutRsts`), but on no wire.
    """
    with routing_socket(node) as socket:
        listing = [each for each in socket.ask(_Message(), _GET_QUEUES, netlink.DUMP) if each["parent"] == _ROOT]
        return {if_indextoname(each["index"]): int(each.get_attr("TCA_STATS")["drops"]) for each in listing}


class _Message(nlmsg):  # type: ignore[misc]
    """A queue and its statistics (include/uapi/linux/rtnetlink.h, `struct tcmsg`; pkt_sched.h, `struct tc_stats`)."""

    fields = (("family", "4B"), ("index", "i"), ("handle", "I"), ("parent", "I"), ("info", "I"))
    nla_map = (
        ("TCA_UNSPEC", "none"),
        ("TCA_KIND", "asciiz"),
        ("TCA_OPTIONS", "none"),
        ("TCA_STATS", "stats"),
    )

    class stats(nla):  # type: ignore[misc]
        fields = (("bytes", "Q"), ("packets", "I"), ("drops", "I"), ("rest", "5I"))
