"""BPF programs at an interface's hooks (tc, clsact, direct action): attached, read back, taken away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from testbed.base.errors import ReadbackError
from testbed.net.netns import Node, inside, interface_index

HOOKS = {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
"""TC_H_CLSACT with TC_H_MIN_INGRESS, TC_H_MIN_EGRESS."""


@contextlib.contextmanager
def attached(node: Node, interface: str, programs: Mapping[str, tuple[int, str]]) -> Iterator[None]:
    """Programs at an interface until the block ends: by the hook each one's descriptor and name.

    Raises `ReadbackError`.
    """
    from pyroute2 import IPRoute  # all of pyroute2, for the points that need it only

    with inside(node), IPRoute() as socket:
        index = interface_index(interface)
        socket.tc("add", "clsact", index)
    try:
        with inside(node), IPRoute() as socket:
            for hook, (descriptor, name) in programs.items():
                parent = HOOKS[hook]
                settings = {"fd": descriptor, "name": name, "classid": 1, "direct_action": True}
                socket.tc("add-filter", "bpf", index, parent=parent, **settings)
                found = [_program_name(message) for message in socket.get_filters(index=index, parent=parent)]
                if name not in found:
                    raise ReadbackError(f"BPF program on {interface} ({hook})", name, found)
        yield
    finally:
        with inside(node), IPRoute() as socket:
            socket.tc("del", "clsact", index)


def _program_name(message: object) -> str | None:
    options = message.get_attr("TCA_OPTIONS")  # type: ignore[attr-defined]
    return None if options is None else options.get_attr("TCA_BPF_NAME")
