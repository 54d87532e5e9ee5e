"""Which labs there are: from a spec on the command line (`uml`, `local`, `ssh:host`, `vm`) to a lab that is open.

A kind of lab is an entry of `KINDS`. What a lab needs (the lab kernel, a connection) is seen to when it is opened,
so that a lab that is not used costs nothing.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from testbed.base.errors import UsageError
from testbed.kernel import selection
from testbed.kernel.cache import Kernel
from testbed.labs.base import Clock, Lab
from testbed.labs.dask import address as dask_address
from testbed.labs.local.lab import LocalLab, open_local_lab
from testbed.labs.ssh import target as ssh_target
from testbed.labs.uml import UmlLab

DEFAULT = "uml"


@dataclass(frozen=True)
class LabSpec:
    """A lab that somebody asked for: its kind, and what follows the colon (a host, where the kind has one)."""

    kind: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}" if self.target else self.kind

    @property
    def uses_lab_kernel(self) -> bool:
        """Whether it runs the lab kernel, here or on another machine, and none of its own."""
        return KINDS[self.kind].uses_lab_kernel(self)

    @property
    def shares_boots(self) -> bool:
        """Whether one boot of it can serve many points."""
        return KINDS[self.kind].shares_boots

    @property
    def repeats_jobs(self) -> bool:
        """Whether it can have jobs done twice, by two of its workers, and compare them."""
        return KINDS[self.kind].repeats_jobs

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """The clocks that the lab offers, the usual one first; known without opening it."""
        return KINDS[self.kind].clocks(self)


@dataclass(frozen=True)
class LabOptions:
    """How a lab is to be opened.

    `core_wait_s`: how long a job waits for a core of its own. `kernel`: the build of the lab kernel to use, None for
    the one in the cache; labs whose kernel is their own take no notice. `report` is told of what takes long. With
    `shared_boot` jobs are copies of one guest, in the labs that can (`LabSpec.shares_boots`). `check_share` is the
    share of jobs that two workers are to do alike, in labs that have several (`LabSpec.repeats_jobs`).
    """

    core_wait_s: float = math.inf
    kernel: Kernel | None = None
    report: Callable[[str], None] = lambda _what: None
    shared_boot: bool = False
    check_share: float = 0.0


Opener = Callable[[LabSpec, LabOptions], "contextlib.AbstractContextManager[Lab]"]


@dataclass(frozen=True)
class Kind:
    """A kind of lab: how it is written, what it is in a few words, whether a target follows a colon, its opener.

    `check` raises `UsageError` for a target that cannot be one.
    """

    usage: str
    summary: str
    open: Opener
    clocks: Callable[[LabSpec], tuple[Clock, ...]]
    uses_lab_kernel: Callable[[LabSpec], bool] = lambda _spec: False
    shares_boots: bool = False
    repeats_jobs: bool = False
    target: Literal["none", "required"] = "none"
    check: Callable[[str], object] = lambda _target: None


def parse(text: str) -> LabSpec:
    """The spec in a text; raises `UsageError` that names the labs which exist."""
    kind, colon, target = text.partition(":")
    every = f"the labs are: {', '.join(each.usage for each in KINDS.values())}"
    if kind not in KINDS:
        raise UsageError(f"no lab {text!r}", hint=every)
    wants = KINDS[kind].target
    if colon and wants == "none":
        raise UsageError(f"lab {text!r}: {kind} takes nothing after a colon", hint=every)
    if not target and wants == "required":
        raise UsageError(f"lab {text!r}: it does not say where", hint=f"write {KINDS[kind].usage}")
    KINDS[kind].check(target)
    return LabSpec(kind, target)


def parse_all(texts: Sequence[str]) -> list[LabSpec]:
    """Several specs, none of them twice; raises `UsageError`."""
    specs = [parse(text) for text in texts]
    for spec in specs:
        if specs.count(spec) > 1:
            raise UsageError(f"lab {str(spec)!r} is given twice")
    return specs


def open_lab(spec: LabSpec, options: LabOptions = LabOptions()) -> contextlib.AbstractContextManager[Lab]:
    """The lab, until the block ends; raises `PrerequisiteError` or `LabError` if it cannot be had."""
    return KINDS[spec.kind].open(spec, options)


@contextlib.contextmanager
def _open_uml(_spec: LabSpec, options: LabOptions) -> Iterator[Lab]:
    kernel = options.kernel or selection.current()
    lab = UmlLab(
        kernel.image,
        core_wait_s=options.core_wait_s,
        kernel_id=kernel.id,
        manifest=kernel.facts(),
        options=kernel.options(),
        shared_boot=options.shared_boot,
        report=options.report,
    )
    with contextlib.closing(lab):
        yield lab


def _open_ssh(spec: LabSpec, options: LabOptions) -> contextlib.AbstractContextManager[Lab]:
    # paramiko takes a while to import, which no other lab should pay.
    from testbed.labs.ssh.setup import open_ssh_lab

    kernel = (options.kernel or selection.current()) if ssh_target.parse(spec.target).lab == "uml" else None
    return open_ssh_lab(spec.target, kernel, core_wait_s=options.core_wait_s, report=options.report)


def _open_dask(spec: LabSpec, options: LabOptions) -> contextlib.AbstractContextManager[Lab]:
    from testbed.labs.dask.lab import open_dask_lab

    return open_dask_lab(spec.target, options.kernel, check_share=options.check_share, report=options.report)


def _open_vm(_spec: LabSpec, options: LabOptions) -> contextlib.AbstractContextManager[Lab]:
    from testbed.labs.vm.lab import open_vm_lab

    return open_vm_lab(options.core_wait_s, options.report)


KINDS: dict[str, Kind] = {
    "uml": Kind(
        "uml",
        "the lab kernel as a process of this machine, virtual or real clock, no root",
        _open_uml,
        lambda _spec: UmlLab.clocks,
        uses_lab_kernel=lambda _spec: True,
        shares_boots=True,
    ),
    "local": Kind(
        "local",
        "this machine's own kernel, real clock, root",
        lambda _spec, _options: open_local_lab(),
        lambda _spec: LocalLab.clocks,
    ),
    "ssh": Kind(
        "ssh:[USER@]HOST[:PORT][/local]",
        "another machine, in its own uml lab, or with /local on its own kernel",
        _open_ssh,
        lambda spec: ssh_target.parse(spec.target).clocks,
        uses_lab_kernel=lambda spec: ssh_target.parse(spec.target).lab == "uml",
        target="required",
        check=ssh_target.parse,
    ),
    "vm": Kind(
        "vm",
        "the virtual machine of testbed vm build, patched kernel, real clock, no root",
        _open_vm,
        lambda _spec: ("real",),
    ),
    "dask": Kind(
        "dask:ADDRESS",
        "the workers of a Dask cluster, each in its machine's uml lab, virtual clock; dask:local starts its own",
        _open_dask,
        lambda _spec: ("virtual",),
        uses_lab_kernel=lambda _spec: True,
        repeats_jobs=True,
        target="required",
        check=dask_address.parse,
    ),
}
