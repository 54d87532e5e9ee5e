"""The machine: the image's disk and the patched kernel under QEMU, started for somebody, and ended.

A machine that the user starts stays until `testbed vm stop`. One that a run starts for itself ends with the run, also
when that is killed, because a subreaper (`testbed.subreaper`) stands between the two.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.base import files
from testbed.base.errors import LabError, PrerequisiteError, UsageError
from testbed.kernel import build as kernel_build
from testbed.kernel.cache import Kernel
from testbed.kernel.flavour import X86_64
from testbed.labs.vm import accelerator, image, qemu
from testbed.labs.vm.disk import Report
from testbed.labs.vm.qemu import MachineOptions, Starter
from testbed.labs.vm.state import State
from testbed.process import run
from testbed.reaped_process import ReapedProcess


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


def find(state: State) -> Machine | None:
    """The machine that runs, if one does and is up."""
    if not state.is_alive():
        return None
    try:
        return Machine.model_validate_json(files.read_bytes(state.record))
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


def start(state: State, options: MachineOptions, *, report: Report) -> Machine:
    """Start the user's machine, unless it runs, and wait until it answers; raises `PrerequisiteError`, `LabError`."""
    _built(state)
    with state.machine_lock(lambda: report("waiting for another command on the lab VM")):
        running = find(state)
        if running is not None:
            return running
        return _launch(state, options, qemu.start_detached, started_by="user", report=report)


@contextlib.contextmanager
def started(state: State, options: MachineOptions, *, report: Report) -> Iterator[Machine]:
    """The user's machine if it runs, else one that ends with the block; raises `PrerequisiteError`, `LabError`."""
    reaped: list[ReapedProcess] = []

    def start_reaped(argv: list[str], log: Path, alive: int) -> Callable[[], int | None]:
        with log.open("wb") as file:
            reaped.append(ReapedProcess(argv, stdout=file, stderr=file, cwd=state.folder, pass_fds=(alive,)))
        return reaped[-1].poll

    _built(state)
    in_order = False
    try:
        with contextlib.ExitStack() as stack:
            with state.machine_lock(lambda: report("waiting for another command on the lab VM")):
                running = find(state)
                if running is None:
                    running = _launch(state, options, start_reaped, started_by="run", report=report)
                elif running.started_by == "run":
                    raise LabError(
                        "the lab VM is another run's",
                        hint="testbed vm start, before the runs, has one that they can share",
                    )
                stack.enter_context(state.shared_use())
            yield running
        in_order = True
    finally:
        for each in reaped:
            with state.machine_lock():
                qemu.end(state, in_order=in_order)
                each.release()
                state.forget_machine()


@contextlib.contextmanager
def _ended(state: State, force: bool, report: Report) -> Iterator[bool]:
    """End the machine, and until the block ends nobody starts one; whether one ran."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(state.machine_lock(lambda: report("waiting for another command on the lab VM")))
        if not force:
            stack.enter_context(state.exclusive_use())
        was_alive = state.is_alive()
        if was_alive:
            report("shutting the lab VM down")
            qemu.end(state, report=report)
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
    with state.build_lock_at_once(), _ended(state, force, report):
        state.remove_builds()
        state.remove()
    return True


def remove_leftovers(state: State) -> list[Path]:
    """Remove what killed commands left, and end a machine that one of them had not finished starting; returns it.

    A machine that is up is somebody's, and stays.
    """
    if not state.folder.is_dir():
        return []
    try:
        with state.build_lock_at_once(), state.machine_lock_at_once():
            removed = state.remove_builds()
            if state.is_alive() and find(state) is None:
                qemu.end(state, in_order=False)
            if not state.is_alive():
                removed += state.forget_machine()
            if not state.is_alive() and not state.image.exists() and not state.disk.exists():
                state.remove()
    except UsageError:
        return []  # somebody is at work there, and what lies about is theirs
    return removed


def _launch(
    state: State, options: MachineOptions, starter: Starter, *, started_by: Literal["user", "run"], report: Report
) -> Machine:
    """Start QEMU and wait for the machine; nothing runs if this raises. The machine's lock must be held."""
    made = _built(state)
    image.require_programs()
    bootable = kernel()
    if not image.is_current(made):
        report("the VM's image is of another version of the toolkit, whose packages may differ: testbed vm build")
    qemu.end(state, in_order=False)  # one of a command that was killed before the machine was up
    state.forget_machine()
    chosen = options.accelerator or accelerator.choose(bootable.image)
    if chosen.name == "tcg":
        report(f"the VM runs without KVM, some ten times slower: {chosen.why}")
    if not state.disk.exists():
        draft = state.disk.with_suffix(".draft")
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{state.image / 'disk.img'}", "-F", "raw", draft])
        draft.rename(state.disk)
    report("booting the lab VM")
    began = time.monotonic()
    try:
        port = qemu.boot(state, bootable.image, starter, options=options, chosen=chosen)
    except BaseException:
        qemu.end(state, in_order=False)
        state.forget_machine()
        raise
    machine = Machine(
        port=port, accelerator=chosen.name, why=chosen.why, memory_mib=options.memory_mib, cpus=options.cpus,
        kernel=bootable.id, image=made.id, started_by=started_by,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"), boot_s=round(time.monotonic() - began, 1),
    )  # fmt: skip
    files.write_text(state.record, machine.model_dump_json(indent=1) + "\n")
    return machine
