"""A small machine inside this one, to be wrecked: `python machine.py DIRECTORY LAB MOMENT...`, in new namespaces.

Its processes, network and mounts are its own, so that all of them can be counted. Foreign things stand beside ours:
a namespace with a link, a shaped link, a mount, processes and files with names like ours. For each MOMENT a run in the
lab is started (one that was killed goes on) and killed by SIGKILL after so many seconds, or `busy`: as soon as a point
runs; `testbed clean` comes at once, and what is there is compared with what was there before. At last the run goes on
to its end. Prints JSON: for each kill what differs, empty if nothing does; whether the foreign processes live; the last
run's points.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from testbed.kernel.cache import default_cache
from testbed.runs import store

TESTBED = [sys.executable, "-m", "experiments"]
RUNS = {
    "local": [
        "fig13", "fig14", "--lab", "local", "--scheme", "upstream", "--set", "topology.server_rate=20 Mbit/s",
        "--set", "topology.client_rate=100 Mbit/s", "--set", "workload.concurrency=4", "--set", "workload.size=1 MB",
        "--set", "workload.duration=1 s", "--set", "timetable.cycle=900 ms", "--set", "timetable.up=500 ms",
    ],
    # Two guests at a time, and two more when they have ended.
    "uml": ["fig07", "--jobs", "2", "--set", 'workload.sizes=["100 KB", "1000 KB"]', "--set", "workload.total=10 MB"],
}  # fmt: skip


def said(*argv: str) -> list[str]:
    """The lines that a command prints, sorted."""
    return sorted(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines())


def processes() -> list[str]:
    """Every process but this one, by its arguments; the dead that nobody has waited for are none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if words and int(entry.name) != os.getpid():
                found.append(words)
    return sorted(found)


def files(directory: Path) -> list[str]:
    """Everything below a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def census(directory: Path) -> dict[str, list[str]]:
    """All that a run could leave: processes, links, queues, namespaces, mounts, temporary files, parts of results."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    results = directory / "work" / "results"
    # A run's lock and the list of its files are no parts of something, they are whole.
    whole = (".lock", ".testbed-files")
    parts = [path.relative_to(results) for path in results.rglob(".*") if path.name not in whole]
    cached = [path.name for path in (directory / "cache").rglob("*") if path.name not in SHARED]
    return {
        "processes": processes(),
        "links": said("ip", "-o", "-br", "link"),
        "addresses": said("ip", "-o", "-br", "address"),
        "queues": said("tc", "qdisc", "show"),
        "namespaces": said("ip", "netns", "list"),
        "mounts": sorted(mounts),
        "files": files(directory / "tmp"),
        "shared memory": files(Path("/dev/shm")),
        "cache": sorted(cached),
        "results": sorted(map(str, parts)),
        "sysctls": said("sysctl", "net.ipv4.ip_forward", "net.mptcp.enabled", "net.ipv4.tcp_rmem"),
    }


BUSY = "busy"
MANY = 8
"""Processes of ours: so many there are only while a point's guest or namespaces are full of them."""
PATIENCE_S = 60.0

# Kernels, what they are made from, and the library for large reads: these are this machine's own.
SHARED = ("kernels", "downloads", "libraries")


def prepare(directory: Path) -> None:
    """Directories of the machine's own; guests keep their memory in `tmp`."""
    mount = ctypes.CDLL(None, use_errno=True).mount
    cache = default_cache()
    for name in ("tmp", "cache", "work/results/mine", "foreign"):
        (directory / name).mkdir(parents=True)
    for name in SHARED:
        (directory / "cache" / name).symlink_to(cache.root / name)
    for target in ("/run/netns", "/dev/shm", str(directory / "tmp"), str(directory / "foreign")):
        Path(target).mkdir(parents=True, exist_ok=True)
        assert mount(b"tmpfs", target.encode(), b"tmpfs", 0, None) == 0, os.strerror(ctypes.get_errno())
    for variable, name in (("TMPDIR", "tmp"), ("TESTBED_CACHE", "cache"), ("TESTBED_VM", "vm")):
        os.environ[variable] = str(directory / name)


def place_foreign_things(directory: Path) -> list[subprocess.Popen[bytes]]:
    """What a run must not touch."""
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
    foreign = [
        subprocess.Popen(["ip", "netns", "exec", "s1", "sleep", "100000"]),
        subprocess.Popen(["bash", "-c", "exec -a mininet:s1 sleep 100001"]),
        subprocess.Popen(["bash", "-c", "exec -a 'linux mem=4G umid=guest' sleep 100002"]),
    ]
    for name in ("mptcp-testbed-notes", "testbed", f"mptcp-testbed-{foreign[0].pid}-lives", "vm_file-notes"):
        (directory / "tmp" / name).mkdir()
        (directory / "tmp" / name / "text").touch()
    Path("/dev/shm/sem.foreign").touch()
    return foreign


def unfinished(directory: Path) -> store.RunStore | None:
    """The run that was killed, if it is worth going on with."""
    return next((run for run in store.runs(directory / "work" / "results") if run.is_unfinished()), None)


def finished(run: store.RunStore | None) -> dict[str, str]:
    """The finished points of a run, each with a hash over its files."""
    found = {}
    for name in run.manifest.points if run else ():
        if run and run.is_ok(name):
            digest = hashlib.sha256()
            for path in sorted(path for path in (run.points / name).rglob("*") if path.is_file()):
                digest.update(f"{path.name} {path.stat().st_ino}".encode() + path.read_bytes())
            found[name] = digest.hexdigest()
    return found


def start(lab: str, directory: Path) -> subprocess.Popen[bytes]:
    """A run, or what is left of the one that was killed."""
    words = ["--resume"] if unfinished(directory) else RUNS[lab]
    # The name of a run's directory has its second in it.
    while not unfinished(directory) and time.time() % 1 > 0.1:
        time.sleep(0.01)
    log = (directory / "log").open("ab")
    with log:
        return subprocess.Popen(
            [*TESTBED, "run", *words], cwd=directory / "work", stdout=log, stderr=log, start_new_session=True
        )


def wreck(moment: str, lab: str, directory: Path, before: dict[str, list[str]]) -> dict[str, object]:
    """Kill a run at a moment (the next one, if one has ended by then); what differs after a clean."""
    victim = start(lab, directory)
    deadline = time.monotonic() + (PATIENCE_S if moment == BUSY else float(moment))
    while (left_s := deadline - time.monotonic()) > 0:
        if moment == BUSY and len(processes()) - len(before["processes"]) >= MANY:
            break
        try:
            victim.wait(0.01 if moment == BUSY else left_s)
        except subprocess.TimeoutExpired:
            continue
        victim = start(lab, directory)
    at_the_kill = len(processes()) - len(before["processes"])
    was_finished = finished(run := unfinished(directory))
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    subprocess.run([*TESTBED, "clean"], cwd=directory / "work", check=True, stdout=subprocess.DEVNULL)
    now = census(directory)
    different: dict[str, object] = {key: [before[key], now[key]] for key in before if before[key] != now[key]}
    if lost := was_finished.items() - finished(run).items():
        different["points"] = sorted(lost)
    return {
        "moment": moment,
        "processes_at_the_kill": at_the_kill,
        "finished": len(was_finished),
        "different": different,
    }


def last_run(lab: str, directory: Path) -> dict[str, object]:
    """Let the last run go on to its end; its status, its state and the outcomes of its points."""
    kept = finished(run := unfinished(directory))
    status = start(lab, directory).wait()
    run = store.open_run(run.directory) if run else store.runs(directory / "work" / "results")[0]
    points = {name: run.is_ok(name) for name in run.manifest.points}
    stayed = kept.items() <= finished(run).items()
    return {"status": status, "state": run.manifest.state, "points": points, "kept": len(kept), "stayed": stayed}


def main(directory: Path, lab: str, moments: list[str]) -> None:
    """Print what each kill left behind."""
    prepare(directory)
    foreign = place_foreign_things(directory)
    time.sleep(0.5)
    before = census(directory)
    found = [wreck(moment, lab, directory, before) for moment in moments]
    report = {
        "kills": found,
        "last_run": last_run(lab, directory),
        "foreign_alive": [process.poll() is None for process in foreign],
        "before": before,
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
