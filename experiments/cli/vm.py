"""`testbed vm`: build the lab VM, start it, look at it, log in, stop it, remove it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from experiments.cli.command_group import CommandGroup
from experiments.cli.given import given
from experiments.cli.kernel_progress import reporter
from experiments.cli.output import Console, say, show
from experiments.needs import every
from testbed.base.errors import LabError, UsageError
from testbed.base.needs import packages
from testbed.kernel import build as kernel_build
from testbed.kernel.flavour import X86_64
from testbed.labs.vm import image, machine
from testbed.labs.vm.accelerator import Accelerator
from testbed.labs.vm.machine import Machine
from testbed.labs.vm.qemu import MachineOptions
from testbed.labs.vm.state import default_state

_force = click.option("--force", is_flag=True, help="Even if a run is using it.")


@click.group(cls=CommandGroup)
def vm() -> None:
    """A lab VM of your own: Debian with the patched kernel under QEMU, for --lab vm."""


@vm.command(short_help="Build the machine's kernel and its disk.")
@click.option("--disk", "size", default="8G", show_default=True, metavar="SIZE", help="Its size; takes what is used.")
@click.option("--force", is_flag=True, help="Build the disk again, even if it is there; the machine's changes go.")
@click.pass_context
def build(context: click.Context, size: str, force: bool) -> None:
    """Build the machine's kernel and its disk, unless they are there."""
    image.check_size(size)
    image.require_programs()
    state, more = default_state(), packages(every())
    found = image.find(state)
    is_there = found is not None and found.id == image.identity(more) and not force
    if found is not None and is_there and found.size != size and given(context, "size"):
        raise UsageError(f"--disk {size}: the disk is there, of {found.size}", hint="--force builds it again")
    errors = Console(stderr=True)
    with reporter(errors) as report:
        kernel = kernel_build.build(flavour=X86_64, progress=report)
    if found is not None and is_there:
        errors.print(f"kernel {kernel.id}, image {found.id}: already built", highlight=False)
    else:
        machine.stop(state, report=say)
        with _working(errors) as working:
            found = image.build(state, size=size, report=working, more=more)
        errors.print(f"kernel {kernel.id}, image {found.id}: built in {found.build_s:.0f} s", highlight=False)
    show(state.image)


@vm.command(short_help="Start the machine and wait until it answers.")
@click.option(
    "--memory",
    "memory_mib",
    type=click.IntRange(min=512),
    default=MachineOptions().memory_mib,
    show_default=True,
    metavar="MIB",
    help="Its memory.",
)
@click.option(
    "--cpus",
    type=click.IntRange(1, 64),
    default=MachineOptions().cpus,
    show_default=True,
    help="Its processors.",
)
@click.option("--no-kvm", is_flag=True, help="Translate its code, even where KVM works.")
@click.pass_context
def start(context: click.Context, memory_mib: int, cpus: int, no_kvm: bool) -> None:
    """Start the machine and wait until it answers; it runs until `testbed vm stop`."""
    chosen = Accelerator("tcg", "--no-kvm was given") if no_kvm else None
    running = machine.start(default_state(), MachineOptions(memory_mib, cpus, chosen), report=say)
    show(_summary(running))
    asked = {"memory_mib": memory_mib, "cpus": cpus, "no_kvm": no_kvm}
    has = {"memory_mib": running.memory_mib, "cpus": running.cpus, "no_kvm": running.accelerator == "tcg"}
    if ignored := given(context, *(name for name in asked if asked[name] != has[name])):
        raise UsageError(f"{', '.join(ignored)}: it ran already, as it is", hint="testbed vm stop, and start it anew")


@vm.command(short_help="Say what is built and what runs.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(as_json: bool) -> None:
    """Say what is built and what runs."""
    state = default_state()
    found, running = image.find(state), machine.find(state)
    kernel = kernel_build.find(flavour=X86_64)
    is_current = found is not None and found.id == image.identity(packages(every()))
    if as_json:
        said = {
            "folder": str(state.folder),
            "kernel": kernel.id if kernel else None,
            "image": found.model_dump(mode="json") if found else None,
            "image_is_current": is_current,
            "machine": running.model_dump(mode="json") if running else None,
        }
        show(json.dumps(said, indent=1))
        return
    show(f"kernel   {kernel.release + ' ' + kernel.id if kernel else 'not built: testbed vm build'}")
    if found is None:
        show("image    not built: testbed vm build")
    else:
        age = "" if is_current else "; of another version of the toolkit: testbed vm build"
        show(f"image    {found.id}, Debian {found.debian}, {len(found.packages)} packages chosen{age}")
    show(f"machine  {_summary(running) if running else 'does not run'}")
    if state.folder.is_dir():
        used = sum(path.lstat().st_blocks * 512 for path in state.folder.rglob("*"))
        show(f"folder   {state.folder}, {used / 1e9:.1f} GB")


@vm.command(short_help="Log in, or run a command there.", context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(command: tuple[str, ...]) -> None:
    """Log in to the machine, or run COMMAND there, with OpenSSH."""
    from testbed.labs.vm.address import ssh_command

    image.require_programs()
    state = default_state()
    running = machine.find(state)
    if running is None:
        raise LabError("the lab VM does not run", hint="run: testbed vm start")
    argv = [*ssh_command(state, running.port), *command]
    os.execv(shutil.which("ssh") or "ssh", argv)


@vm.command(short_help="Shut the machine down; its disk stays.")
@_force
def stop(force: bool) -> None:
    """Shut the machine down in order; its disk stays."""
    show("stopped" if machine.stop(default_state(), force=force, report=say) else "it does not run")


@vm.command(short_help="Stop the machine and remove all of it.")
@_force
def destroy(force: bool) -> None:
    """Stop the machine and remove everything of it (not the kernel, which is in the kernels' cache)."""
    state = default_state()
    was_there = machine.destroy(state, force=force, report=say)
    show(f"removed {state.folder}" if was_there else "there is no lab VM")


def _summary(running: Machine) -> str:
    speed = "KVM" if running.accelerator == "kvm" else f"no KVM, slow: {running.why}"
    return (
        f"runs ({speed}), {running.cpus} CPUs, {running.memory_mib} MiB, SSH on 127.0.0.1:{running.port}, "
        f"up in {running.boot_s:.0f} s, started by {'you' if running.started_by == 'user' else 'a run, for itself'}"
    )


@contextmanager
def _working(console: Console) -> Iterator[Callable[[str], None]]:
    """Report each step on a status line if a terminal is there, else in a line of its own."""
    if not console.is_terminal:
        yield lambda step: console.print(step, highlight=False)
        return
    with console.status("building the disk") as line:
        yield lambda step: line.update(step)
