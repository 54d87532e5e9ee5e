"""The QEMU process: its command line, its start up to the machine's first word, how it is told from others, its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from testbed.base.errors import GuestTimeout, LabError
from testbed.labs import cores
from testbed.labs.vm import monitor
from testbed.labs.vm.accelerator import Accelerator
from testbed.labs.vm.disk import Report
from testbed.labs.vm.state import LOOPBACK, State
from testbed.process import wait_until

BOOT_S = 300.0
_QMP, _PID = "qmp.sock", "qemu.pid"
_STOP_S = 90.0
_GONE_S = 10.0
_POLL_S = 0.2
_ATTEMPTS = 3
_BANNER_S = 5.0
_CONSOLE_LINES = 12
_MOST_CPUS = 4


@dataclass(frozen=True)
class MachineOptions:
    """How a machine is to be made: megabytes (MiB) of memory, processors; `accelerator` None: KVM if it works."""

    memory_mib: int = 2048
    cpus: int = field(default_factory=lambda: min(_MOST_CPUS, len(cores.available())))
    accelerator: Accelerator | None = None


def command(bzimage: Path, options: MachineOptions, chosen: Accelerator, port: int) -> list[str]:
    """QEMU's command line, for the state directory as its working directory.

    The network is QEMU's own, cut off from everything but connections from here to the machine's SSH port.
    """
    return [
        "qemu-system-x86_64", "-name", "testbed-vm", "-nodefaults", "-no-user-config", "-display", "none", "-M", "q35",
        *chosen.arguments, "-smp", str(options.cpus), "-m", str(options.memory_mib), "-no-reboot",
        "-kernel", str(bzimage), "-append", "root=/dev/vda rw console=ttyS0 panic=-1",
        "-drive", "file=disk.qcow2,if=virtio,format=qcow2,cache=unsafe",
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:{LOOPBACK}:{port}-:22",
        "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
        "-serial", "file:console.log", "-qmp", f"unix:{_QMP},server=on,wait=off", "-pidfile", _PID,
    ]  # fmt: skip


Starter = Callable[[list[str], Path, int], Callable[[], int | None]]
"""Starts an argv with its log file and the descriptor that it is to hold; returns how to ask whether it has ended."""


def start_detached(argv: list[str], log: Path, alive: int) -> Callable[[], int | None]:
    """The starter of a process that outlives us."""
    with log.open("wb") as file:
        # It outlives us on purpose, and holds `alive` as long as it does.
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=log.parent, pass_fds=(alive,),
            start_new_session=True,
        )  # fmt: skip
    return process.poll


def boot(state: State, bzimage: Path, starter: Starter, *, options: MachineOptions, chosen: Accelerator) -> int:
    """QEMU with a port that was free, up to the machine's first word on it; returns the port. Raises `LabError`."""
    for attempt in range(_ATTEMPTS):
        port = _free_port()
        state.console.unlink(missing_ok=True)
        with state.alive.open("ab") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)
            ended = starter(command(bzimage, options, chosen, port), state.folder / "qemu.log", alive.fileno())
        deadline = time.monotonic() + BOOT_S
        while ended() is None:
            if _speaks_ssh(port):
                return port
            if time.monotonic() > deadline:
                raise LabError(
                    f"the lab VM does not answer within {BOOT_S:.0f} s", hint=f"see {state.console}",
                    console=console_end(state),
                )  # fmt: skip
            time.sleep(_POLL_S)
        # Somebody may have taken the port between our look and QEMU's.
        if attempt + 1 == _ATTEMPTS or "hostfwd" not in console_end(state):
            break
    raise LabError("the lab VM ended while it booted", hint=f"see {state.console}", console=console_end(state))


def console_end(state: State) -> str:
    """The last lines of the machine's serial console, and of what QEMU said."""
    lines = []
    for path in (state.folder / "qemu.log", state.console):
        with contextlib.suppress(OSError):
            lines += path.read_text(errors="replace").strip().splitlines()[-_CONSOLE_LINES:]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def end(state: State, *, in_order: bool = True, report: Report = lambda _what: None) -> None:
    """End QEMU, if it lives: by the machine's power button, else by its process id; raises `LabError` if it stays."""
    if not state.is_alive():
        return
    if in_order and monitor.press_power_button(state.folder, _QMP) and _wait(lambda: not state.is_alive(), _STOP_S):
        return
    if in_order:
        report("the lab VM does not shut down: ending it as it is")
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = process_id(state)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if _wait(lambda: not state.is_alive(), _GONE_S):
            return
    raise LabError("the lab VM's QEMU does not end", hint=f"its process id may be in {state.folder / _PID}")


def process_id(state: State) -> int | None:
    """QEMU's process id: of the process that holds our file, because numbers come again.

    A command that was killed early left a QEMU that had not noted its number yet.
    """
    try:
        mine = state.alive.stat()
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError, ValueError):
        noted = int((state.folder / _PID).read_text())
        if _has_open(Path(f"/proc/{noted}"), mine):
            return noted
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "exe").readlink().name.startswith("qemu-system-") and _has_open(entry, mine):
                return int(entry.name)
    return None


def _has_open(process: Path, file: os.stat_result) -> bool:
    for handle in (process / "fd").iterdir():
        with contextlib.suppress(OSError):
            if os.path.samestat(handle.stat(), file):
                return True
    return False


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _speaks_ssh(port: int) -> bool:
    """Whether an SSH server says hello; QEMU itself takes the connection long before there is one."""
    try:
        with socket.create_connection((LOOPBACK, port), _BANNER_S) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _wait(done: Callable[[], bool], limit_s: float) -> bool:
    try:
        wait_until(done, "QEMU", timeout_s=limit_s, interval_s=_POLL_S)
    except GuestTimeout:
        return False
    return True
