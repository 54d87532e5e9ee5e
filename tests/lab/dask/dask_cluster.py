"""A Dask cluster on loopback: a real scheduler and worker processes, each with a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
BIN = REPOSITORY / ".venv" / "bin"
WORK = "testbed.labs.dask.remote.work"


@dataclass
class Cluster:
    """A scheduler, and workers by their names."""

    folder: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def lab(self) -> str:
        return f"dask:{self.address}"

    def scratch(self, name: str) -> Path:
        return self.folder / name

    def start_worker(self, name: str, python: Path = BIN / "python", **variables: str) -> None:
        """A worker that does one thing at a time; nobody starts it again."""
        self.scratch(name).mkdir(exist_ok=True)
        words = ["--nthreads", "1", "--no-dashboard", "--no-nanny", "--memory-limit", "0", "--name", name]
        self.workers[name] = _start(
            self.folder / f"{name}.log",
            [python, "-m", "distributed.cli.dask_worker", self.address, *words],
            ["--local-directory", self.scratch(name)],
            variables,
        )

    def stop_worker(self, name: str) -> None:
        """End a worker, if it has not ended; its folder stays."""
        worker = self.workers.pop(name)
        worker.terminate()
        worker.wait(30)

    def jobs(self, name: str) -> list[Path]:
        """The folders of requests that a worker has now."""
        return list(self.scratch(name).glob("dask-scratch-space/*/testbed-*"))

    def stop(self) -> None:
        for name in list(self.workers):
            self.stop_worker(name)
        self.scheduler.terminate()
        self.scheduler.wait(30)


def start(folder: Path) -> Cluster:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    scheduler = _start(folder / "scheduler.log", [BIN / "python", "-m", "distributed.cli.dask_scheduler", *words], [])
    cluster = Cluster(folder, f"tcp://127.0.0.1:{port}", scheduler)

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    assert settles(answers, 30), (folder / "scheduler.log").read_text()
    return cluster


def _start(log: Path, argv: list[object], more: list[object], variables: dict[str, str] | None = None):
    with log.open("ab") as file:
        return subprocess.Popen(
            [str(word) for word in (*argv, *more)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=log.parent,
            env={**os.environ, **(variables or {})},
            start_new_session=True,
        )


def settles(true: Callable[[], bool], within_s: float = 20) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def attendants(cluster: Cluster) -> dict[int, str]:
    """The processes that see to requests of this cluster's workers, guests included, by their ids."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if WORK in words and str(cluster.folder) in words:
                found[int(entry.name)] = words
    return found


@dataclass
class Command:
    """The command line, in a folder of its own."""

    work: Path

    def run(self, *words: str, status: int = 0, typed: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [BIN / "testbed", *words],
            cwd=self.work,
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BIN / "testbed", *words],
            cwd=self.work,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(30)
