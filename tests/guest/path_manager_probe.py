"""Runs inside a guest: lives and deaths of the userspace path manager; prints what was seen, as JSON.

Between the hosts of `path_manager_hosts.py`: lighttpd on MPTCP, ab as the client, and the real kernel in between.
"""

from __future__ import annotations

import errno
import json
import signal
import socket
import sys
import time
import traceback
from typing import Any

from path_manager_hosts import (
    LOG,
    MB,
    SERVICE,
    UNIQUE,
    WORK,
    Downloads,
    TwoWays,
    daemon,
    doomed_daemon,
    initial_subflows,
    journal,
    packets,
)

from testbed.net import mptcp, queues, sysctl, tbf
from testbed.net.mptcp_pm import commands, subflows
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.sockets import CommandSocket, find_family
from testbed.net.mptcp_settings import Mptcp
from testbed.net.netlink import Refused
from testbed.net.netns import inside
from testbed.network import Network, running
from testbed.path_manager.daemon import is_gone
from testbed.process import Process, run, wait_until
from testbed.tools import lighttpd

SERVICE_6, UNIQUE_6, PORT_6 = "fd09:1::80", "fd09:3::101", 8081


def all_well(network: Network) -> dict[str, Any]:
    with daemon(network):
        downloads = Downloads(network, 1 * MB, 20, 5)
        result = downloads.end()
    return result | {"counts": journal()[-1]}


def close_initial(network: Network) -> dict[str, Any]:
    with daemon(network, close_initial=True):
        downloads = Downloads(network, 20 * MB, 4, 4)
        downloads.joined(4)
        time.sleep(0.1)  # what was queued on the initial subflow still leaves by it
        left, before = initial_subflows(network["s"]), packets(network)
        time.sleep(0.2)
        after = packets(network)
        result = downloads.end()
    later = [late - early for late, early in zip(after, before, strict=True)]
    return result | {"initial_left": left, "later_packets": later, "counts": journal()[-1]}


def killed(network: Network) -> dict[str, Any]:
    """Connections that had joined when the daemon was killed, and those of the time after."""
    with doomed_daemon(network) as kill:
        downloads = Downloads(network, 5 * MB, 8, 4)
        downloads.joined(4)
        kill()
        result = downloads.end()
    return result | {"later": Downloads(network, 1 * MB, 20, 5).end()}


def started_late(network: Network) -> dict[str, Any]:
    downloads = Downloads(network, 5 * MB, 4, 4)
    downloads.opened(4)
    with daemon(network):
        downloads.joined(4)
        result = downloads.end()
    return result | {"counts": journal()[-1]}


def restarted(network: Network) -> dict[str, Any]:
    with doomed_daemon(network) as kill:
        downloads = Downloads(network, 20 * MB, 4, 4)
        downloads.joined(4)
        kill()
    with daemon(network):
        result = downloads.end()
    return result | {"counts": journal()[-1]}


def flood(network: Network) -> dict[str, Any]:
    with daemon(network):
        result = Downloads(network, 1000, 500, 50).end()
    return result | {"counts": journal()[-1]}


def overrun(network: Network) -> dict[str, Any]:
    with daemon(network, receive_buffer_bytes=4096) as process:
        process.signal(signal.SIGSTOP)
        downloads = Downloads(network, 5 * MB, 20, 20)
        downloads.opened(20)
        process.signal(signal.SIGCONT)
        downloads.joined(20)
        result = downloads.end()
    return result | {"counts": journal()[-1]}


def lost_announcement(network: Network) -> dict[str, Any]:
    """The ADD_ADDR meets a broken link; the daemon tries again, and the kernel's own timer is far longer."""
    server = network["s"]
    with daemon(network, repeat_s=0.1) as process:
        process.signal(signal.SIGSTOP)
        downloads = Downloads(network, 10 * MB, 1, 1)
        downloads.opened(1)
        run(server.enter("tc", "qdisc", "replace", "dev", "s-eth0", "root", "handle", "2:", "netem", "loss", "100%"))
        continued = time.monotonic()
        process.signal(signal.SIGCONT)
        time.sleep(0.02)
        queues.put(server, [tbf.queue("s-eth0", 10**8)])
        downloads.joined(1)
        joined_after_s = time.monotonic() - continued
        result = downloads.end()
    return result | {"joined_after_s": joined_after_s, "counts": journal()[-1]}


def same_address_other_port(network: Network) -> dict[str, Any]:
    """A server with one address: what sets the joins apart is their port."""
    server = network["s"]
    with inside(server), socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP) as listener:
        listener.bind((SERVICE, 8080))
        listener.listen()
        with daemon(network, SERVICE, port=8080, close_initial=True):
            downloads = Downloads(network, 5 * MB, 1, 1)
            downloads.joined(1)
            time.sleep(0.1)
            left = [(subflow.initial, subflow.local.port, subflow.backup) for subflow in subflows.established()]
            result = downloads.end()
    return result | {"left": left}


def take_over(network: Network) -> dict[str, Any]:
    server = network["s"]
    sysctl.put(server, {"net.mptcp.pm_type": 0})
    as_a_person_does = (sys.executable, "-m", "experiments", "path-manager", "--unique", UNIQUE)
    argv = server.enter(*as_a_person_does, "--journal", str(WORK / "journal"))
    refused = run(argv, check=False)
    said = WORK / "taking-over.txt"
    seen = [sysctl.get(server, "net.mptcp.pm_type")]
    with said.open("wb") as out, Process([*argv, "--take-over"], stdout=out) as process:
        wait_until(lambda: "ready" in said.read_text().splitlines(), "daemon", timeout_s=60)
        seen.append(sysctl.get(server, "net.mptcp.pm_type"))
        result = Downloads(network, 1 * MB, 4, 4).end()
        process.stop(first=signal.SIGINT)
    seen.append(sysctl.get(server, "net.mptcp.pm_type"))
    sysctl.put(server, {"net.mptcp.pm_type": 1})
    return result | {"pm_types": seen, "not_told": [refused.status, refused.stderr.strip()]}


def ipv6(network: Network) -> dict[str, Any]:
    """The same over IPv6; the server is Python's, which listens on IPv6 sockets for both."""
    for name, addresses in {"c": ("fd09:1::2", "fd09:3::2"), "s": (SERVICE_6, UNIQUE_6)}.items():
        sysctl.put(network[name], {"net.ipv6.conf.all.disable_ipv6": 0, "net.ipv6.conf.all.accept_dad": 0})
        for number, address in enumerate(addresses):
            interface = f"{name}-eth{number}"
            run(network[name].enter("ip", "addr", "add", f"{address}/64", "dev", interface, "nodad"))
    pages = ("--directory", str(WORK / "pages"), str(PORT_6))
    argv = ("mptcpize", "run", sys.executable, "-m", "http.server", "--bind", "::", *pages)
    with Process(network["s"].enter(*argv)), daemon(network, UNIQUE_6, close_initial=True):
        wait_until(lambda: f":{PORT_6:04X} " in network["s"].read("tcp6"), "Python's web server", timeout_s=60)
        result = Downloads(network, 1 * MB, 4, 2, f"[{SERVICE_6}]:{PORT_6}").end()
    return result | {"counts": journal()[-1]}


def refusals(network: Network) -> dict[str, Any]:
    """What the kernel says to commands for connections and subflows that are not there."""
    found = {}
    here, there = SocketAddress(SERVICE, 80), SocketAddress("10.9.1.2", 9)
    downloads = Downloads(network, 5 * MB, 1, 1)
    downloads.opened(1)
    with inside(network["s"]), CommandSocket(find_family()) as kernel:
        token = next(subflow.token for subflow in subflows.established() if subflow.initial)
        for name, message in {
            "right": commands.announce(token, SocketAddress(UNIQUE), 1),
            "announce": commands.announce(token + 1, here, 1),
            "backup": commands.set_backup(token + 1, here, there),
            "destroy": commands.subflow_destroy(token + 1, here, there),
            "backup of another": commands.set_backup(token, here, there),
            "destroy of another": commands.subflow_destroy(token, here, there),
            "id in use": commands.announce(token, SocketAddress("10.9.3.77"), 1),
        }.items():
            try:
                kernel.send(message)
                found[name] = ["OK", "", False]
            except Refused as error:
                found[name] = [errno.errorcode[error.code], error.reason, is_gone(error)]
    return downloads.end() | {"refusals": found}


SCENARIOS = (
    all_well,
    close_initial,
    killed,
    started_late,
    restarted,
    flood,
    overrun,
    refusals,
    lost_announcement,
    same_address_other_port,
    take_over,
    ipv6,
)


def main() -> None:
    WORK.mkdir()
    results: dict[str, Any] = {}
    with running(TwoWays(), lambda _a, _b: "bursts", LOG) as network:
        settings = Mptcp(path_manager="userspace")
        mptcp.configure_client(network["c"], settings)
        mptcp.configure_server(network["s"], settings, local=SERVICE, unique=UNIQUE)
        for node in ("c", "s"):
            ports = {"net.ipv4.ip_local_port_range": "10000 65000"}
            sysctl.put(network[node], {**ports, "net.ipv6.conf.all.disable_ipv6": 1})
        with lighttpd.serving(network["s"], WORK / "pages", 80, WORK, mptcp=True, log=LOG):
            for scenario in SCENARIOS:
                if sys.argv[1:] and scenario.__name__ not in sys.argv[1:]:
                    continue
                started = time.monotonic()
                try:
                    results[scenario.__name__] = scenario(network)
                except Exception:
                    results[scenario.__name__] = {"error": traceback.format_exc()}
                results[scenario.__name__]["seconds"] = round(time.monotonic() - started, 3)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
