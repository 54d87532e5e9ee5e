"""The QEMU process: started with the image's disk and the patched kernel, known by a file that it holds, and ended.

A machine that the user starts stays until `testbed vm stop`. One that a run starts for itself ends with the run, also
when that is killed, because a keeper (`testbed.keeper`) stands between the two.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.errors import LabError, PrerequisiteError, UsageError
from testbed.kernel import build as kernel_build
from testbed.kernel.cache import Kernel
from testbed.kernel.flavour import X86_64
from testbed.labs.vm import accelerator, image, monitor
from testbed.labs.vm.accelerator import Accelerator
from testbed.labs.vm.state import LOOPBACK, State
from testbed.process import Kept, run

BOOT_S = 300.0
_QMP, _PID = "qmp.sock", "qemu.pid"
_STOP_S = 90.0
_GONE_S = 10.0
_POLL_S = 0.2
_ATTEMPTS = 3
_BANNER_S = 5.0
_CONSOLE_LINES = 12

Report = Callable[[str], None]


class Machine(BaseModel):
    """The running machine (`machine.json`); `started_by` says who ends it."""

    model_config = ConfigDict(frozen=True)

    port: int
    accelerator: Literal["kvm", "tcg"]
    why: str
    memory_mib: int
    cpus: int
    kernel: str
    image: str
    started_by: Literal["user", "run"]
    started_at: str
    boot_s: float


@dataclass(frozen=True)
class Wish:
    """How a machine is to be: megabytes (MiB) of memory, processors; `accelerator` None: KVM if it works."""

    memory_mib: int = 2048
    cpus: int = min(4, len(os.sched_getaffinity(0)))
    accelerator: Accelerator | None = None


def find(state: State) -> Machine | None:
    """The machine that runs, if one does and is up."""
    if not state.is_alive():
        return None
    try:
        return Machine.model_validate_json(state.record.read_bytes())
    except (OSError, ValidationError):
        return None


def kernel() -> Kernel:
    """The patched kernel in the cache; raises `PrerequisiteError` if it is not built."""
    found = kernel_build.find(flavour=X86_64)
    if found is None:
        raise PrerequisiteError("the lab VM's kernel is not built", hint="run: testbed vm build")
    return found


def _built(state: State) -> image.Manifest:
    made = image.find(state)
    if made is None:
        raise PrerequisiteError("the lab VM is not built", hint="run: testbed vm build")
    return made


def start(state: State, wish: Wish, *, report: Report) -> Machine:
    """Start the user's machine, unless it runs, and wait until it answers; raises `PrerequisiteError`, `LabError`."""
    _built(state)
    with state.changing(lambda: report("waiting for another command on the lab VM")):
        running = find(state)
        if running is not None:
            return running
        return _launch(state, wish, "user", _start_detached, report)


@contextlib.contextmanager
def started(state: State, wish: Wish, *, report: Report) -> Iterator[Machine]:
    """The user's machine if it runs, else one that ends with the block; raises `PrerequisiteError`, `LabError`."""
    kept: list[Kept] = []

    def start_kept(argv: list[str], log: Path, alive: int) -> Callable[[], int | None]:
        with log.open("wb") as file:
            kept.append(Kept(argv, stdout=file, stderr=file, cwd=state.folder, pass_fds=(alive,)))
        return kept[-1].poll

    _built(state)
    in_order = False
    try:
        with contextlib.ExitStack() as stack:
            with state.changing(lambda: report("waiting for another command on the lab VM")):
                running = find(state)
                if running is None:
                    running = _launch(state, wish, "run", start_kept, report)
                elif running.started_by == "run":
                    raise LabError(
                        "the lab VM is another run's",
                        hint="testbed vm start, before the runs, has one that they can share",
                    )
                stack.enter_context(state.used())
            yield running
        in_order = True
    finally:
        for each in kept:
            with state.changing():
                end(state, in_order=in_order)
                each.release()
                state.forget_machine()


@contextlib.contextmanager
def _ended(state: State, force: bool, report: Report) -> Iterator[bool]:
    """End the machine, and until the block ends nobody starts one; whether one ran."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(state.changing(lambda: report("waiting for another command on the lab VM")))
        if not force:
            stack.enter_context(state.unused())
        was_alive = state.is_alive()
        if was_alive:
            report("shutting the lab VM down")
            end(state, report=report)
        state.forget_machine()
        yield was_alive


def stop(state: State, *, force: bool = False, report: Report) -> bool:
    """End the machine, in order if it can; False if none runs. Raises `UsageError` for one in use, unless `force`."""
    if not state.folder.is_dir():
        return False
    with _ended(state, force, report) as was_alive:
        return was_alive


def destroy(state: State, *, force: bool = False, report: Report) -> bool:
    """End the machine and remove all of it; False if there is none. Raises `UsageError` while it is built or in use."""
    if not state.folder.is_dir():
        return False
    with state.unbuilt(), _ended(state, force, report):
        state.remove_builds()
        state.remove()
    return True


def remove_leftovers(state: State) -> list[Path]:
    """Remove what killed commands left, and end a machine that one of them had not finished starting; returns it.

    A machine that is up is somebody's wish, and stays.
    """
    if not state.folder.is_dir():
        return []
    try:
        with state.unbuilt(), state.unchanged():
            removed = state.remove_builds()
            if state.is_alive() and find(state) is None:
                end(state, in_order=False)
            if not state.is_alive():
                removed += state.forget_machine()
            if not state.is_alive() and not state.image.exists() and not state.disk.exists():
                state.remove()
    except UsageError:
        return []  # somebody is at work there, and what lies about is theirs
    return removed


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


def command(bzimage: Path, wish: Wish, chosen: Accelerator, port: int) -> list[str]:
    """QEMU's command line, for the state directory as its working directory.

    The network is QEMU's own, cut off from everything but connections from here to the machine's SSH port.
    """
    return [
        "qemu-system-x86_64", "-name", "testbed-vm", "-nodefaults", "-no-user-config", "-display", "none", "-M", "q35",
        *chosen.arguments, "-smp", str(wish.cpus), "-m", str(wish.memory_mib), "-no-reboot",
        "-kernel", str(bzimage), "-append", "root=/dev/vda rw console=ttyS0 panic=-1",
        "-drive", "file=disk.qcow2,if=virtio,format=qcow2,cache=unsafe",
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:{LOOPBACK}:{port}-:22",
        "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
        "-serial", "file:console.log", "-qmp", f"unix:{_QMP},server=on,wait=off", "-pidfile", _PID,
    ]  # fmt: skip


def console_end(state: State) -> str:
    """The last lines of the machine's serial console, and of what QEMU said."""
    lines = []
    for path in (state.folder / "qemu.log", state.console):
        with contextlib.suppress(OSError):
            lines += path.read_text(errors="replace").strip().splitlines()[-_CONSOLE_LINES:]
    return "\n".join(line.rstrip() for line in lines if line.strip())


_Starter = Callable[[list[str], Path, int], Callable[[], int | None]]
"""Starts an argv with its log file and the descriptor that it is to hold; returns how to ask whether it has ended."""


def _start_detached(argv: list[str], log: Path, alive: int) -> Callable[[], int | None]:
    with log.open("wb") as file:
        # It outlives us on purpose, and holds `alive` as long as it does.
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=log.parent, pass_fds=(alive,),
            start_new_session=True,
        )  # fmt: skip
    return process.poll


def _launch(state: State, wish: Wish, by: Literal["user", "run"], starter: _Starter, report: Report) -> Machine:
    """Start QEMU and wait for the machine; nothing runs if this raises. The machine's lock must be held."""
    made = _built(state)
    image.require_programs()
    bootable = kernel()
    if made.id != image.wanted():
        report("the VM's image is of another version of the toolkit, whose packages may differ: testbed vm build")
    end(state, in_order=False)  # one of a command that was killed before the machine was up
    state.forget_machine()
    chosen = wish.accelerator or accelerator.choose(bootable.image)
    if chosen.name == "tcg":
        report(f"the VM runs without KVM, some ten times slower: {chosen.why}")
    if not state.disk.exists():
        draft = state.disk.with_suffix(".draft")
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{state.image / 'disk.img'}", "-F", "raw", draft])
        draft.rename(state.disk)
    report("booting the lab VM")
    began = time.monotonic()
    try:
        port = _begin(state, wish, chosen, bootable, starter)
    except BaseException:
        end(state, in_order=False)
        state.forget_machine()
        raise
    machine = Machine(
        port=port, accelerator=chosen.name, why=chosen.why, memory_mib=wish.memory_mib, cpus=wish.cpus,
        kernel=bootable.id, image=made.id, started_by=by,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"), boot_s=round(time.monotonic() - began, 1),
    )  # fmt: skip
    draft = state.record.with_suffix(".draft")
    draft.write_text(machine.model_dump_json(indent=1) + "\n")
    draft.rename(state.record)
    return machine


def _begin(state: State, wish: Wish, chosen: Accelerator, bootable: Kernel, starter: _Starter) -> int:
    """QEMU with a port that was free, up to the machine's first word on it; returns the port."""
    for attempt in range(_ATTEMPTS):
        port = _free_port()
        state.console.unlink(missing_ok=True)
        with state.alive.open("ab") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)
            ended = starter(command(bootable.image, wish, chosen, port), state.folder / "qemu.log", alive.fileno())
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
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
