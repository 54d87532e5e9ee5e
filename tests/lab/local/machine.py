"""A small machine inside this one, to be wrecked: `python machine.py DIRECTORY MOMENT...`, in new namespaces.

Its processes, network and mounts are its own, so that all of them can be counted. Foreign things stand beside ours:
a namespace with a link, a shaped link, a mount, a process and files with names like ours. For each MOMENT (seconds) a
run in the local lab is started and killed by SIGKILL after so long; then comes `testbed clean`, and what is there is
compared with what was there before. Prints a JSON list: a dict per moment with what differs, empty if nothing does.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TESTBED = [sys.executable, "-m", "testbed"]
SETTLE_S = 20.0
RUN = [
    *TESTBED, "run", "fig13", "fig14", "--lab", "local", "--set", "topology.server_rate=20 Mbit/s",
    "--set", "topology.client_rate=100 Mbit/s", "--set", "workload.concurrency=4", "--set", "workload.size=1 MB",
    "--set", "workload.duration=1 s", "--set", "churn.cycle=900 ms", "--set", "churn.up=500 ms",
]  # fmt: skip


def said(*argv: str) -> list[str]:
    """The lines that a command prints, sorted."""
    return sorted(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines())


def processes() -> list[str]:
    """Every process but this one, by its arguments; the dead that nobody has waited for are none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            if words and int(entry.name) != os.getpid():
                found.append(words)
    return sorted(found)


def reap() -> None:
    """As process 1 we inherit orphans."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def census(directory: Path) -> dict[str, list[str]]:
    """All that a run could leave: processes, links, queues, namespaces, mounts, temporary files, parts of results."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    results = directory / "work" / "results"
    parts = [path.relative_to(results) for path in results.rglob(".*") if path.name != ".lock"]
    return {
        "processes": processes(),
        "links": said("ip", "-o", "-br", "link"),
        "addresses": said("ip", "-o", "-br", "address"),
        "queues": said("tc", "qdisc", "show"),
        "namespaces": said("ip", "netns", "list"),
        "mounts": sorted(mounts),
        "files": sorted(str(path) for path in (directory / "tmp").iterdir()),
        "results": sorted(map(str, parts)),
        "sysctls": said("sysctl", "net.ipv4.ip_forward", "net.mptcp.enabled", "net.ipv4.tcp_rmem"),
    }


def place_foreign_things(directory: Path) -> list[subprocess.Popen[bytes]]:
    """What a run must not touch."""
    mount = ctypes.CDLL(None, use_errno=True).mount
    for target in ("/run/netns", str(directory / "foreign")):
        Path(target).mkdir(parents=True, exist_ok=True)
        assert mount(b"tmpfs", target.encode(), b"tmpfs", 0, None) == 0, os.strerror(ctypes.get_errno())
    for argv in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "netns", "add", "s1"],
        ["ip", "link", "add", "s1-eth0", "type", "veth", "peer", "name", "r-eth1", "netns", "s1"],
        ["ip", "address", "add", "10.0.11.2/24", "dev", "s1-eth0"],
        ["ip", "link", "set", "s1-eth0", "up"],
        ["ip", "link", "add", "br0", "type", "bridge"],
        ["tc", "qdisc", "add", "dev", "s1-eth0", "root", "tbf", "rate", "1mbit", "burst", "10000", "latency", "10ms"],
    ):
        subprocess.run(argv, check=True)
    (directory / "tmp" / "mptcp-testbed-notes").mkdir(parents=True)
    (directory / "tmp" / "testbed").mkdir()
    (directory / "work" / "results" / "mine").mkdir(parents=True)
    return [
        subprocess.Popen(["ip", "netns", "exec", "s1", "sleep", "100000"]),
        subprocess.Popen(["bash", "-c", "exec -a mininet:s1 sleep 100001"]),
    ]


def wreck(moment_s: float, directory: Path, before: dict[str, list[str]]) -> dict[str, object]:
    """One run, killed after `moment_s` seconds; what is different after `testbed clean`."""
    victim = subprocess.Popen(
        RUN, cwd=directory / "work", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(moment_s)
    at_the_kill = len(processes()) - len(before["processes"])
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    deadline = time.monotonic() + SETTLE_S
    while processes() != before["processes"] and time.monotonic() < deadline:
        reap()
        time.sleep(0.05)
    subprocess.run([*TESTBED, "clean"], cwd=directory / "work", check=True, stdout=subprocess.DEVNULL)
    now = census(directory)
    different = {key: [before[key], now[key]] for key in before if before[key] != now[key]}
    return {"moment_s": moment_s, "processes_at_the_kill": at_the_kill, "different": different}


def main(directory: Path, moments_s: list[float]) -> None:
    """Print what each kill left behind."""
    os.environ["TMPDIR"] = str(directory / "tmp")
    os.environ["TESTBED_CACHE"] = str(directory / "cache")
    foreign = place_foreign_things(directory)
    time.sleep(0.5)
    before = census(directory)
    found = [wreck(moment_s, directory, before) for moment_s in moments_s]
    alive = [process.poll() is None for process in foreign]
    sys.stdout.write(json.dumps({"kills": found, "foreign_alive": alive, "before": before}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [float(word) for word in sys.argv[2:]])
