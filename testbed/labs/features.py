"""What a lab has of what a point needs (`testbed.base.needs`), found out before anything starts.

An option that the kernel's configuration does not have is missing, whatever else. All the rest is tried for real,
inside the lab, in a namespace that is thrown away (`testbed.labs.probes`).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from testbed.base.errors import LabError, PrerequisiteError
from testbed.base.needs import NO_PROGRAM, Finding, Need
from testbed.base.text import parse_json
from testbed.labs import runtime_directory
from testbed.labs.base import Cancel, Clock, Job, Lab, last_line

RunProbe = Callable[[tuple[str, ...]], str]
"""Runs an argv in a lab and returns what it printed."""

ELSEWHERE = "or use --lab uml, which has a kernel of its own"

# An ordinary user's PATH often lacks the directories of the administrator's commands.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_PROBE_LIMIT_S = 60.0


def ordered(needs: Collection[Need]) -> list[Need]:
    """The needs in the order in which people read of them."""
    return sorted(needs, key=Need.rank)


def probe(needs: Collection[Need], run: RunProbe, options: Collection[str] | None = None) -> list[Finding]:
    """Find out about each need: `options` are those that the kernel is known to have, None if nobody knows."""
    lacking, rest = by_options(needs, options)
    errors = tried(rest, run)
    return lacking + [judge(need, error, _machine_has) for need, error in zip(rest, errors, strict=True)]


def by_options(
    needs: Collection[Need], options: Collection[str] | None, cure: str = ""
) -> tuple[list[Finding], list[Need]]:
    """What the kernel lacks by its options (None: nobody knows them), and the needs of which they do not say it.

    `cure` is how to get an option.
    """
    found = [(need, lacking_option(need, options, cure)) for need in ordered(needs)]
    return [finding for _, finding in found if finding], [need for need, finding in found if finding is None]


def tried(needs: Sequence[Need], run: RunProbe) -> list[str]:
    """What is wrong with each, tried for real; an empty text if it works."""
    if not needs:
        return []
    # The same need of two parts is tried once.
    texts = [need.model_copy(update={"part": ""}).model_dump_json(exclude_defaults=True) for need in needs]
    each = list(dict.fromkeys(texts))
    said = parse_json(run((sys.executable, "-m", "testbed.labs.probes", f"[{','.join(each)}]")))
    errors = dict(zip(each, said, strict=True))
    return [errors[text] for text in texts]


def static_findings(needs: Collection[Need], options: Collection[str] | None, cure: str) -> list[Finding]:
    """What the kernel's options and this machine's programs say of each (see `by_options`), nothing tried."""
    lacking, rest = by_options(needs, options, cure)
    return lacking + [_lacking_program(need) or Finding(need.name, "", need.what_for) for need in rest]


def lacking_option(need: Need, options: Collection[str] | None, cure: str = "") -> Finding | None:
    """The finding for a need whose options are not all among those that the kernel has, else None."""
    missing = tuple(option for option in need.kernel_options if options is not None and option not in options)
    if not missing:
        return None
    remedy = need.model_copy(update={"kernel_options": missing, "package": "", "program": ""}).remedy
    remedy = f"{remedy}: {cure}" if cure else remedy
    return Finding(need.name, f"this kernel has no {', '.join(missing)}", need.what_for, remedy, of_kernel=True)


def find_program(name: str) -> str:
    """Where this machine has a program, for root too; empty if nowhere."""
    return shutil.which(name, path=_SEARCH_PATH) or ""


def _lacking_program(need: Need) -> Finding | None:
    is_there = not need.program or find_program(need.program)
    return None if is_there else judge(need, NO_PROGRAM, _machine_has)


def judge(need: Need, error: str, machine_has: Callable[[str], bool]) -> Finding:
    """The finding for a need whose probe said `error` (empty: it works).

    `machine_has`: whether a sysctl exists outside of the namespace: then it belongs to the whole machine.
    """
    if not error:
        return Finding(need.name, "", need.what_for)
    if need.program and error == NO_PROGRAM:
        return Finding(need.name, error, need.what_for, need.model_copy(update={"kernel_options": ()}).remedy)
    if need.sysctl and machine_has(need.sysctl):
        whole = "it belongs to the whole machine, which this lab never touches"
        return Finding(need.name, error, whole, "leave it out of [sysctl]", of_kernel=True)
    return Finding(need.name, error, need.what_for, need.remedy, of_kernel=bool(need.kernel_options or need.sysctl))


def require(findings: Iterable[Finding], where: str, *, elsewhere: str = ELSEWHERE) -> None:
    """Raise `PrerequisiteError`, one line that names all that is missing with its cure, unless all is there.

    `elsewhere` is the cure beside, if another kernel may have some of it.
    """
    missing: dict[str, Finding] = {}
    for finding in findings:
        if not finding.ok:
            before = missing.get(finding.name)
            both = finding if before is None else replace(finding, purpose=f"{before.purpose}, {finding.purpose}")
            missing[finding.name] = both
    if missing:
        what = "; ".join(f"{each.name} ({each.purpose or each.error})" for each in missing.values())
        cures = [each.cure or each.error for each in missing.values()]
        if elsewhere and any(each.of_kernel for each in missing.values()):
            cures.append(elsewhere)
        raise PrerequisiteError(f"{where} lacks {what}", hint="; ".join(dict.fromkeys(cures)))


def as_job(lab: Lab, clock: Clock, cancel: Cancel | None) -> RunProbe:
    """Runs a probe as a job of its own in a lab; raises `LabError` if that fails, `RunInterrupted` once told to end."""

    def run(argv: tuple[str, ...]) -> str:
        with runtime_directory.temporary() as scratch:
            said, errors = bytearray(), bytearray()
            job = Job(argv, Path(scratch), clock=clock, wall_limit_s=_PROBE_LIMIT_S)
            done = lab.run(job, stdout=said.extend, stderr=errors.extend, cancel=cancel)
        if done.status != 0:
            what = f"the probe of the kernel in {lab.name} ended with status {done.status}"
            raise LabError(f"{what}: {last_line(errors)}")
        return said.decode()

    return run


def _machine_has(name: str) -> bool:
    return (Path("/proc/sys") / name.replace(".", "/")).exists()
