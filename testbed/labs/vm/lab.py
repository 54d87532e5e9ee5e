"""The vm lab: jobs in the lab VM's own kernel, the patched one; for everything else it is an ssh lab."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from testbed.base.needs import Finding, Need
from testbed.kernel.cache import Kernel
from testbed.labs import features
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.labs.ssh.lab import SshLab
from testbed.labs.ssh.provisioning import Report
from testbed.labs.ssh.setup import open_ssh_lab_at
from testbed.labs.ssh.target import Target
from testbed.labs.vm import machine as machines
from testbed.labs.vm.address import OWNED, address
from testbed.labs.vm.machine import Machine
from testbed.labs.vm.qemu import MachineOptions
from testbed.labs.vm.root_files import HOST_NAME
from testbed.labs.vm.state import State, default_state

OPTIONS_CURE = "add to kernel-patches/common/common.config, and run: testbed vm build"


class VmLab:
    """A `Lab` in the VM; made by `open_vm_lab`. Its processors are this machine's: other labs here share them."""

    name = "vm"
    machine = HERE
    clocks: tuple[Clock, ...] = ("real",)
    width = 1

    def __init__(self, inside: SshLab, running: Machine, kernel: Kernel) -> None:
        self._inside = inside
        self._running = running
        self._kernel = kernel

    def facts(self) -> Mapping[str, Any]:
        """What runs there, the kernel's manifest, and the virtual machine."""
        return {**self._inside.facts(), "kernel": self._kernel.facts(), "vm": self._running.model_dump(mode="json")}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        """Raise `PrerequisiteError` unless the machine has what it must have, and its kernel what is needed."""
        lacking, rest = features.by_options(needs, self._kernel.options(), OPTIONS_CURE)
        features.require(lacking, f"the VM's kernel {self._kernel.id}")
        self._inside.require(rest, cancel)

    def probe(self, needs: Collection[Need], cancel: Cancel | None = None) -> list[Finding]:
        """Look at the kernel's options, and have the machine find out about the rest."""
        lacking, rest = features.by_options(needs, self._kernel.options(), OPTIONS_CURE)
        return lacking + self._inside.probe(rest, cancel)

    def examine(self, needs: Collection[Need] = (), *, boot: bool = True) -> list[dict[str, Any]]:
        """The doctor's checks there."""
        lacking, rest = features.by_options(needs, self._kernel.options(), OPTIONS_CURE)
        return [finding.as_check() for finding in lacking] + self._inside.examine(rest, boot=boot)

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        """Run the job in the machine and bring its output back (see `Lab`)."""
        return self._inside.run(job, stdout=stdout, stderr=stderr, cancel=cancel)


@contextlib.contextmanager
def open_vm_lab(
    core_wait_s: float = math.inf, report: Report = lambda _what: None, state: State | None = None
) -> Iterator[VmLab]:
    """The lab until the block ends: in the machine that runs, else in one that is started and ends with the block.

    Raises `PrerequisiteError` if the VM is not built, and `LabError`.
    """
    where = state or default_state()
    with contextlib.ExitStack() as stack:
        if machines.find(where) is None:
            report("starting the lab VM")
        running = stack.enter_context(machines.started(where, MachineOptions(), report=report))
        inside = stack.enter_context(
            open_ssh_lab_at(
                VmLab.name,
                Target(HOST_NAME, lab="local"),
                address(where, running.port),
                owned=OWNED,
                core_wait_s=core_wait_s,
                report=report,
            )
        )
        yield VmLab(inside, running, machines.kernel())
