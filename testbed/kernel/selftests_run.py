"""Run units of the kernel's selftests in a lab, one guest each, several kernels side by side.

The guest's virtual clock makes the scripts' sleeps free; what they cost is one fork after the other. Every unit is
bounded in real and in virtual time, and one that hangs or brings the kernel down costs only its own results.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import LabError
from testbed.kernel import ktap, namespace_sysctls
from testbed.kernel.ktap import Subtest
from testbed.kernel.selftests import Suite, Unit
from testbed.labs.base import Cancel, Job, Lab

CLOCK_LIMIT_S = 1800.0
"""What the suite's file `settings` allows a script in real time."""

_ENDS = {4: "skipped whole", namespace_sysctls.NOT_SET: "not what was asked for"}  # 4: KSFT_SKIP


@dataclass(frozen=True)
class UnitResult:
    """How a unit ended: its subtests' results or, if there are none, the reason; what the kernel complained about.

    `digest` is that of all that its script printed, empty where the lab could not run it.
    """

    unit: str
    subtests: tuple[Subtest, ...]
    error: str
    warnings: tuple[str, ...]
    wall_s: float
    clock_s: float
    digest: str = ""


OnResult = Callable[[str, UnitResult], None]
"""Is on_result a kernel's label and how a unit ended; by several threads."""


def run(
    units: Sequence[Unit],
    suite: Suite,
    labs: Mapping[str, Lab],
    out: Path,
    *,
    jobs: int,
    wall_limit_s: float,
    cancel: Cancel,
    on_result: OnResult,
    seed: int | None = None,
    sysctls: Sequence[str] = (),
) -> dict[str, list[UnitResult]]:
    """Run every unit in every lab (by the kernel's label), `jobs` guests at a time; the ends are in the units' order.

    Output and kernel log of each stay in `out/<label>/<unit>/guest/`. With a `seed`, what the script and the guest's
    kernel leave to chance follows from it; `sysctls` (`name=value`) are set in every namespace that a script makes.
    Raises `RunInterrupted` once the flag is set.
    """

    def work(label: str, unit: Unit) -> UnitResult:
        output = out / label / unit.name
        argv = _argv(unit, suite, seed, sysctls)
        end = _run_unit(unit, suite, labs[label], output, argv, wall_limit_s=wall_limit_s, cancel=cancel, seed=seed)
        on_result(label, end)
        return end

    with ThreadPoolExecutor(jobs, thread_name_prefix="selftest") as pool:
        running: dict[str, list[Future[UnitResult]]] = {label: [] for label in labs}
        for unit in units:
            for label in labs:
                running[label].append(pool.submit(work, label, unit))
    cancel.raise_if_set()
    return {label: [future.result() for future in futures] for label, futures in running.items()}


def _argv(unit: Unit, suite: Suite, seed: int | None, sysctls: Sequence[str]) -> tuple[str, ...]:
    # They find their helpers in the working directory; the guest must see the folder above it, too.
    argv: tuple[str, ...] = ("env", f"--chdir={suite.scripts}", "bash", f"./{unit.script}", *unit.options)
    if seed is not None:
        argv = (sys.executable, "-m", "testbed.kernel.seeded_script", str(seed), *argv)
    if sysctls:
        argv = (sys.executable, "-m", "testbed.kernel.namespace_sysctls", *sysctls, "--", *argv)
    return argv


def _run_unit(
    unit: Unit,
    suite: Suite,
    lab: Lab,
    output: Path,
    argv: tuple[str, ...],
    *,
    wall_limit_s: float,
    cancel: Cancel,
    seed: int | None,
) -> UnitResult:
    cancel.raise_if_set()
    output.mkdir(parents=True, exist_ok=True)
    said = bytearray()
    job = Job(
        argv,
        output,
        cwd=suite.folder,
        env={"NO_COLOR": "1"},
        wall_limit_s=wall_limit_s,
        clock_limit_s=CLOCK_LIMIT_S,
        seed=1 if seed is None else seed,
    )
    try:
        done = lab.run(job, stdout=said.extend, cancel=cancel)
    except LabError as fault:
        return UnitResult(unit.name, (), str(fault), warnings=(), wall_s=0.0, clock_s=0.0)
    text = said.decode(errors="replace")
    subtests = ktap.parse(text) if done.status != namespace_sysctls.NOT_SET else None
    why = ""
    if not subtests:
        how = _ENDS.get(done.status, f"ended with status {done.status} before its results")
        why = f"{how}: {ktap.last_words(text)}"
    return UnitResult(
        unit.name,
        subtests or (),
        why,
        warnings=done.kernel_warnings,
        wall_s=done.wall_s,
        clock_s=done.clock_s,
        digest=hashlib.sha256(said).hexdigest(),
    )
