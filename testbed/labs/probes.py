"""Tries features of the kernel, inside a lab: `python -m testbed.labs.probes JSON-LIST-OF-FEATURES`.

Prints a JSON object: for each feature an empty text if it works, else why not. Each is tried as a point would use it,
with the same code where there is some. Only run where everything that it leaves is thrown away (`LocalLab`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pyroute2.netlink.exceptions import NetlinkError

from testbed.base.errors import CommandError, TestbedError
from testbed.net import ipvs, loss_injection, routing, tbf
from testbed.net.netns import Node
from testbed.process import CommandLog, run
from testbed.tools import lighttpd

_IPPROTO_MPTCP = 262
_HERE = Node("this machine", os.getpid())


def _veth() -> None:
    run(["ip", "link", "add", "probe-a", "type", "veth", "peer", "name", "probe-b"])
    run(["ip", "link", "del", "probe-a"])


def _bridge() -> None:
    run(["ip", "link", "add", "probe-br", "type", "bridge"])
    run(["ip", "link", "del", "probe-br"])


def _netem() -> None:
    run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms", "loss", "1%", "rate", "10mbit"])
    run(["tc", "qdisc", "del", "dev", "lo", "root"])


def _tbf() -> None:
    tbf.shape(_HERE, "lo", 10**7)
    run(["tc", "qdisc", "del", "dev", "lo", "root"])


def _rate() -> None:
    try:
        _tbf()
    except TestbedError:
        _netem()


def _ipvs() -> None:
    ipvs.serve(_HERE, "10.255.1.1", 80, ["10.255.2.1"])


def _multipath() -> None:
    run(["ip", "link", "add", "probe-c", "type", "veth", "peer", "name", "probe-d"])
    for number, name in ((1, "probe-c"), (2, "probe-d")):
        run(["ip", "address", "add", f"10.255.{number}.1/24", "dev", name])
        run(["ip", "link", "set", name, "up"])
    routing.nexthops(_HERE, "10.255.0.80", ["10.255.1.2", "10.255.2.2"])
    run(["ip", "link", "del", "probe-c"])


def _mptcp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_MPTCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_MPTCP) as client:
            client.connect(listener.getsockname())


def _loss_injection() -> None:
    with tempfile.TemporaryDirectory() as work:
        stack = contextlib.ExitStack()
        stack.enter_context(loss_injection.injecting([(_HERE, "lo")], "add-addr", 1, Path(work), log=CommandLog()))
        stack.close()


def _sysctl(name: str) -> None:
    path = Path("/proc/sys") / name.replace(".", "/")
    path.write_text(path.read_text())


def _lighttpd(module: str) -> None:
    with tempfile.TemporaryDirectory() as work:
        try:
            lighttpd.load_module(module, Path(work))
        except CommandError as error:  # what it says goes on for lines, and names the module in the first
            raise TestbedError("lighttpd cannot load it" if error.status is not None else "no lighttpd") from error


def _command(name: str) -> None:
    if shutil.which(name) is None:
        raise TestbedError("not found")


KERNEL: dict[str, Callable[[], None]] = {
    "veth": _veth,
    "bridge": _bridge,
    "netem": _netem,
    "tbf": _tbf,
    "rate": _rate,
    "ipvs": _ipvs,
    "multipath": _multipath,
    "mptcp": _mptcp,
    "loss-injection": _loss_injection,
}


def examine(name: str) -> str:
    """Try one feature; an empty text if it works, else why not, in one line."""
    try:
        if name in KERNEL:
            KERNEL[name]()
        elif name.startswith("sysctl:"):
            _sysctl(name.partition(":")[2])
        elif name.startswith("lighttpd:"):
            _lighttpd(name.partition(":")[2])
        elif name.startswith("command:"):
            _command(name.partition(":")[2])
        else:
            return f"no such feature: {name}"
    except CommandError as error:
        return (error.stderr.strip().splitlines() or [str(error)])[-1]
    except TestbedError as error:
        return " ".join(str(error).split())
    except OSError as error:
        return error.strerror or str(error)
    except NetlinkError as error:
        return f"the kernel says: {os.strerror(error.code)}"
    # Whatever else a library raises, the feature does not work.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main(argv: list[str]) -> None:
    """Print what became of each feature in the list."""
    with contextlib.redirect_stdout(sys.stderr):
        errors = {name: examine(name) for name in json.loads(argv[0])}
    sys.stdout.write(json.dumps(errors) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
