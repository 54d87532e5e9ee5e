"""The doctor: what this machine must have, whether it has it, and the cure if not.

Nothing is changed here; every check answers with a `Check`, none raises.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import PrerequisiteError, TestbedError
from testbed.base.needs import Need
from testbed.base.needs import packages as packages_of
from testbed.base.text import plain
from testbed.debian_packages import (
    COUNTING_PACKAGES_FILE,
    SSH_PACKAGES_FILE,
    VM_PACKAGES_FILE,
    debian_packages,
    package_versions,
)
from testbed.extras import DISTRIBUTION
from testbed.kernel import build as kernel_build
from testbed.kernel.cache import Kernel, default_cache
from testbed.labs import catalog, cores, features, guest_memory, libraries, runtime_directory
from testbed.labs.base import ExaminedLab, Job, ProbedLab
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.labs.uml import OPTIONS_CURE, UmlLab
from testbed.runs.store import SPACE_BYTES
from testbed.tools import large_reads

MODULES = ("click", "matplotlib", "mininet", "numpy", "pydantic", "pyroute2", "rich")
OPTIONAL_MODULES = {"paramiko": ("ssh", "--lab ssh: and vm need"), "qemu": ("vm", "--lab vm needs")}
"""Of the other extras, with who needs them."""
RELEASES = ("12", "13")
"""Of Debian: what the tests are run on."""

_BOOT_LIMIT_S = 120.0


@dataclass(frozen=True)
class Check:
    """One answer: what was looked for, whether it is there, what was found, and the cure."""

    name: str
    ok: bool
    detail: str = ""
    cure: str = ""


def examine(
    needs: Collection[Need] = (),
    kernel: Kernel | None = None,
    *,
    boot: bool = True,
    cure: str = "run: make setup",
) -> Iterator[Check]:
    """Every check, one after the other (the last boots a guest, with `boot`).

    `needs` are those of the parts; `kernel` is the one to look for, None for that of this checkout; `cure` is for
    Python packages.
    """
    yield release()
    yield packages(needs)
    yield vm_packages()
    yield ssh_packages()
    yield counting_packages()
    for need in features.ordered(needs):
        if need.program:
            path = features.find_program(need.program)
            yield Check(need.name, bool(path), path or "not found", need.remedy)
    for module in MODULES:
        there = importlib.util.find_spec(module) is not None
        yield Check(f"Python package {module}", there, "" if there else "not importable", cure)
    for module, (extra, who) in OPTIONAL_MODULES.items():
        there = importlib.util.find_spec(module) is not None
        found = "" if there else f"not importable: it comes with {DISTRIBUTION}[{extra}] (only {who} it)"
        yield Check(f"Python package {module}", True, found)
    yield Check("cores", True, f"{len(cores.available())}: as many guests run at a time")
    yield memory(guest_memory.directory()[1])
    yield disk(Path.cwd())
    yield library()
    found_kernel = kernel or _find_kernel()
    if isinstance(found_kernel, Check):
        yield found_kernel
        return
    yield Check("lab kernel", True, f"{found_kernel.release} ({found_kernel.id})")
    yield from kernel_options(needs, found_kernel)
    if boot:
        yield _boot(found_kernel)


def kernel_options(needs: Collection[Need], kernel: Kernel) -> Iterator[Check]:
    """Whether the lab kernel has the options of every need."""
    options = kernel.options()
    wanted = [need for need in features.ordered(needs) if need.kernel_options]
    if options is None:
        yield Check("kernel options", True, "not known: its configuration is not beside the kernel")
        return
    lacking = [finding for need in wanted if (finding := features.lacking_option(need, options, OPTIONS_CURE))]
    for finding in lacking:
        yield Check(finding.name, False, finding.error, finding.cure)
    if wanted and not lacking:
        yield Check("kernel options", True, f"all of {len(wanted)} needs")


def examine_lab(
    spec: LabSpec,
    needs: Collection[Need],
    options: LabOptions = LabOptions(),  # noqa: B008
) -> Iterator[Check]:
    """What a lab has of all needs, each tried for real; all checks for another machine.

    Libraries are not asked for: what needs one has it built, or sent.
    """
    _, needs = libraries.split(needs)
    with catalog.open_lab(spec, options) as lab:
        if isinstance(lab, ExaminedLab):
            yield from (Check(**each) for each in lab.examine(needs))
        elif isinstance(lab, ProbedLab):
            for finding in lab.probe(needs):
                yield Check(**finding.as_check())


def memory(directory: Path) -> Check:
    """Whether the directory of the guests' memory has the room and may hold programs' memory."""
    name = f"guest memory in {directory}"
    try:
        state = os.statvfs(directory)
    except OSError as error:
        return Check(name, False, error.strerror or str(error), "set TMPDIR to a directory that exists")
    free_bytes = state.f_bavail * state.f_frsize
    if state.f_flag & os.ST_NOEXEC:
        return Check(name, False, "mounted noexec", "remount it with exec, or set TMPDIR to a directory elsewhere")
    detail = f"{free_bytes / 2**30:.1f} GiB free"
    return Check(name, free_bytes >= guest_memory.WANTED_BYTES, detail, "make room (4 GiB), or set TMPDIR elsewhere")


def disk(directory: Path) -> Check:
    """Whether the directory has room for a run's results."""
    free_bytes = shutil.disk_usage(directory).free
    cure = f"make room ({SPACE_BYTES / 1e9:.0f} GB), or use --out"
    return Check(f"disk space in {directory}", free_bytes >= SPACE_BYTES, f"{free_bytes / 1e9:.1f} GB free", cure)


def release(path: Path = Path("/etc/os-release")) -> Check:
    """Which system this is: on another than those that the toolkit is tried on it may work, but nobody promises it."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields = {name: value.strip("\"'") for name, equals, value in (line.partition("=") for line in lines) if equals}
    found = plain(fields.get("PRETTY_NAME") or fields.get("ID") or f"unknown: {path} does not say")
    if fields.get("ID") == "debian" and fields.get("VERSION_ID") in RELEASES:
        return Check("release", True, found)
    return Check(
        "release", True, f"{found}: not one of those that the testbed is tried on, Debian {' and '.join(RELEASES)}"
    )


def packages(needs: Collection[Need] = ()) -> Check:
    """Whether the Debian packages are installed, those of our list and those that bring what is needed."""
    names = list(dict.fromkeys([*debian_packages(), *packages_of(needs)]))
    installed = package_versions(names)
    missing = [name for name in names if name not in installed]
    detail = f"{' '.join(missing)} not installed" if missing else f"all {len(names)} installed"
    return Check("Debian packages", not missing, detail, f"run as root: apt-get install {' '.join(missing)}")


def vm_packages() -> Check:
    """Which of the lab VM's Debian packages are installed; without them everything else works."""
    return _packages_of("the VM", VM_PACKAGES_FILE, "run: testbed setup --with vm", "--lab vm")


def ssh_packages() -> Check:
    """Which of the ssh lab's Debian packages are installed here; without them everything else works."""
    names = " ".join(debian_packages(SSH_PACKAGES_FILE))
    return _packages_of("the ssh lab", SSH_PACKAGES_FILE, f"run as root: apt-get install {names}", "--lab ssh:")


def counting_packages() -> Check:
    """Which Debian packages are installed of those that counting instructions takes; without them all else works."""
    return _packages_of(
        "instruction counts", COUNTING_PACKAGES_FILE, "run: testbed setup --with counting", "count-instructions"
    )


def _packages_of(whose: str, path: Path, cure: str, option: str) -> Check:
    names = debian_packages(path)
    installed = package_versions(names)
    missing = [name for name in names if name not in installed]
    found = f"{' '.join(missing)} not installed: {cure}" if missing else f"all {len(names)} installed"
    return Check(f"Debian packages of {whose}", True, f"{found} (only {option} needs them)")


def library() -> Check:
    """Whether the library for large reads is in the cache; what asks for it builds it."""
    name = "library for large reads"
    try:
        found = large_reads.find(default_cache())
    except PrerequisiteError as error:
        return Check(name, False, error.message, error.hint)
    return Check(name, True, str(found) if found else "not built yet: the first point that asks for it does it")


def _find_kernel() -> Kernel | Check:
    try:
        kernel = kernel_build.find()
    except TestbedError as error:
        return Check("lab kernel", False, error.message, error.hint or "run: testbed kernel build")
    return kernel or Check("lab kernel", False, "not built", "run: testbed kernel build")


def _boot(kernel: Kernel) -> Check:
    try:
        with runtime_directory.temporary() as output:
            done = UmlLab(kernel.image, core_wait_s=0).run(Job(("true",), Path(output), wall_limit_s=_BOOT_LIMIT_S))
    except PrerequisiteError as error:
        return Check("guest boots", False, error.message, error.hint)
    except (TestbedError, OSError) as error:
        return Check("guest boots", False, str(error), "see: testbed exec -- true")
    return Check("guest boots", done.status == 0, f"in {done.wall_s:.1f} s", "see: testbed exec -- true")
