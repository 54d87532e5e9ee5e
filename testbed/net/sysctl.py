"""Sysctls of a node's namespace, written and read back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.base.errors import ReadbackError, TestbedError
from testbed.net.netns import Node, inside


def _path(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def exists(node: Node, name: str) -> bool:
    """Whether this kernel has the sysctl, in the node's namespace."""
    with inside(node):
        return _path(name).exists()


def get(node: Node, name: str) -> str:
    """The value of a sysctl in the node's namespace, blanks folded."""
    with inside(node):
        return " ".join(_path(name).read_text().split())


def put(node: Node, values: Mapping[str, str | int]) -> dict[str, str]:
    """Write sysctls in the node's namespace; returns what reads back.

    Raises `TestbedError` for a sysctl that this kernel lacks and `ReadbackError` for a value it did not take.
    """
    found = {}
    with inside(node):
        for name, value in values.items():
            wanted = " ".join(str(value).split())
            try:
                _path(name).write_text(wanted)
                found[name] = " ".join(_path(name).read_text().split())
            except (FileNotFoundError, PermissionError) as error:
                missing, why = name, error
                break
            except OSError as error:
                raise TestbedError(f"sysctl {name}={wanted} on {node.name}: {error.strerror}") from error
            if found[name] != wanted:
                raise ReadbackError(f"sysctl {name} on {node.name}", wanted, found[name])
        else:
            return found
    # Back outside, where the machine's own are.
    whose = "it belongs to the whole machine, not to a node" if _path(missing).exists() else "this kernel has none"
    raise TestbedError(f"sysctl {missing} on {node.name}: {whose}") from why
