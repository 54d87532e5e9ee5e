"""The labs of a run, by name, and how many points each gets at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from experiments.api.events import Listener, Notice, ignore
from testbed.base.errors import UsageError
from testbed.kernel import selection
from testbed.kernel.cache import Kernel
from testbed.labs import catalog
from testbed.labs.base import Clock, QueueingLab
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.record.point import Point
from testbed.runs.tasks import Place

Labs = Sequence[str | LabSpec]
"""As on the command line: `uml`, `local`, `ssh:HOST`, `vm`; none stands for the default one, `uml`."""


def labs_of(labs: Labs) -> list[LabSpec]:
    """The labs with these names; raises `UsageError` for a name that is none, or twice the same."""
    return catalog.parse_all([str(lab) for lab in labs]) or [LabSpec(catalog.DEFAULT)]


def clocks_of(labs: Labs, chosen: Clock | None = None) -> tuple[Clock, ...]:
    """The clocks that points may have in one of the labs, the usual one first; only the chosen one, if any.

    Raises `UsageError` for a chosen one that no lab has.
    """
    specs = labs_of(labs)
    clocks = tuple(dict.fromkeys(clock for lab in specs for clock in lab.clocks))
    if chosen is None:
        return clocks
    if chosen not in clocks:
        names = ", ".join(map(str, specs))
        raise UsageError(f"--clock {chosen}: the lab has no {chosen} clock: {names}", hint=f"it has: {clocks[0]}")
    return (chosen,)


def kernel_of(name: str | None, labs: Labs) -> Kernel | None:
    """The lab kernel of this name (`7.3`, or a build's identity), None for none.

    Raises `UsageError` for a name that means no kernel, or where no lab would use it, and `PrerequisiteError` if it is
    not built.
    """
    if name is None:
        return None
    specs = labs_of(labs)
    if not any(lab.uses_lab_kernel for lab in specs):
        names = ", ".join(map(str, specs))
        raise UsageError(f"--kernel {name}: the lab has a kernel of its own: {names}", hint="leave it out")
    return selection.select(name)


def require_shared_boot(points: Sequence[Point], labs: Labs) -> None:
    """Raise `UsageError` unless each of the labs can serve many points by a guest's one boot, and some are such points.

    Those in real time each have a boot of their own beside them.
    """
    if others := [str(lab) for lab in labs_of(labs) if not lab.shares_boots]:
        which = ", ".join(kind.usage for kind in catalog.KINDS.values() if kind.shares_boots)
        raise UsageError(f"--shared-boot: not in the lab {', '.join(others)}", hint=f"labs that can: {which}")
    if points and not any(point.clock == "virtual" for point in points):
        raise UsageError(
            "--shared-boot: every point runs in real time, which has a boot of its own",
            hint="leave it out, or take the other clock: --clock virtual",
        )


def require_check_share(share: float, labs: Labs) -> None:
    """Raise `UsageError` unless the share is one, and some lab can have points done twice, if any are to be."""
    if not 0 <= share <= 1:
        raise UsageError(f"--check-share {share:g}: a share is between 0 and 1")
    specs = labs_of(labs)
    if share and not any(lab.repeats_jobs for lab in specs):
        which = ", ".join(kind.usage for kind in catalog.KINDS.values() if kind.repeats_jobs)
        raise UsageError(
            f"--check-share: not in the lab {', '.join(map(str, specs))}",
            hint=f"labs that can: {which}; elsewhere, afterwards: testbed verify",
        )


@contextmanager
def open_places(
    labs: Labs,
    jobs: int | None = None,
    options: LabOptions = LabOptions(),  # noqa: B008
    listen: Listener = ignore,
) -> Iterator[list[Place]]:
    """The labs, open until the block ends, with `jobs` points at a time in each (None: as many as suits the lab)."""
    options = replace(options, report=lambda text: listen(Notice(text)))
    with ExitStack() as stack:
        opened = [stack.enter_context(catalog.open_lab(lab, options)) for lab in labs_of(labs)]
        yield [
            Place(lab, jobs) if jobs else Place(lab, lab.width, lab.ahead if isinstance(lab, QueueingLab) else 0)
            for lab in opened
        ]
