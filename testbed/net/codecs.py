"""pyroute2's message classes, which write and read what netlink sends, without the rest of pyroute2.

Its package imports all that it has on the way to any of it: 160 modules, which cost a guest as much CPU time as a third
of a tiny point. So the package is opened here with its `__init__` left for later: whoever asks it for a name of its own
(`from pyroute2 import IPRoute`) has it run then, and sees no difference. What carries the messages is
`testbed.net.netlink`: pyroute2's own sockets stand on asyncio, and bring half of those modules.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from importlib.util import find_spec, module_from_spec
from typing import Any


def _open_package(name: str) -> None:
    """Make the package one whose modules can be imported, and whose `__init__` runs when first asked for a name."""
    if name in sys.modules or (spec := find_spec(name)) is None or spec.loader is None:
        return
    loader, package = spec.loader, module_from_spec(spec)

    def run_first(attribute: str) -> Any:
        with contextlib.suppress(ModuleNotFoundError):  # a module of the package itself needs no more
            return importlib.import_module(f"{name}.{attribute}")
        vars(package).pop("__getattr__", None)
        loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = run_first
    sys.modules.setdefault(name, package)


_open_package("pyroute2")

from pyroute2.netlink import ctrlmsg, genlmsg, nla, nlmsg, nlmsgerr  # noqa: E402
from pyroute2.netlink.exceptions import NetlinkError  # noqa: E402
from pyroute2.netlink.marshal import Marshal  # noqa: E402
from pyroute2.netlink.rtnl.fibmsg import fibmsg  # noqa: E402
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # noqa: E402
from pyroute2.netlink.rtnl.rtmsg import rtmsg  # noqa: E402

__all__ = ["Marshal", "NetlinkError", "ctrlmsg", "fibmsg", "genlmsg", "ifaddrmsg", "nla", "nlmsg", "nlmsgerr", "rtmsg"]
