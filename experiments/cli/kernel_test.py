"""`testbed kernel test`: the kernel's own MPTCP selftests on the unpatched kernel and on ours, side by side."""

from __future__ import annotations

import re
import textwrap
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from experiments.cli.given import require_not_given
from experiments.cli.kernel_progress import reporter
from experiments.cli.kernel_seeds import Search, try_seeds
from experiments.cli.options import NumberRange, release_option
from experiments.cli.output import Console, columns, show
from testbed.base import files
from testbed.base.errors import PointsFailed, PrerequisiteError, UsageError
from testbed.kernel import build as kernel_build
from testbed.kernel import selection, selftests, selftests_run, selftests_table
from testbed.kernel.cache import Kernel
from testbed.kernel.release import Release
from testbed.kernel.selftests import Suite, Unit
from testbed.kernel.selftests_run import UnitResult
from testbed.kernel.selftests_table import Row
from testbed.labs import cores
from testbed.labs.base import Cancel
from testbed.labs.uml import UmlLab
from testbed.runs import scheduler, store
from testbed.runs.store import RESULTS

_NOTE_WIDTH = 70
_SYSCTL = re.compile(r"net(\.[a-z0-9_]+)+=[^\s=]+")
BASE, OURS = "unpatched", "patched"  # MPTCP, that is


@click.command("test")
@release_option
@click.option(
    "--kernel", "names", multiple=True, metavar="6.12|7.3|ID", help="Try this one (with --seeds). Repeatable."
)
@click.option("--seeds", type=click.IntRange(1, 10_000), help="Try each of them with so many seeds: which fail when?")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first of the seeds.")
@click.option(
    "--sysctl",
    "sysctls",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set it in every namespace that a script makes (with --kernel), net.mptcp.cwnd_push=2 say. Repeatable.",
)
@click.option("--only", multiple=True, metavar="NAME", help="mptcp_join, mptcp_join-f (a group), ...: may be repeated.")
@click.option("--jobs", "-j", type=click.IntRange(1, 1000), help="Guests at a time. Default: one per core.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Keep all output here.")
@click.option("--wall-limit", type=NumberRange(min=0, min_open=True), default=1200.0, metavar="S", show_default=True)
@click.pass_context
def kernel_test(
    context: click.Context,
    release: Release,
    names: tuple[str, ...],
    seeds: int | None,
    seed: int,
    sysctls: tuple[str, ...],
    only: tuple[str, ...],
    jobs: int | None,
    out: Path | None,
    wall_limit: float,
) -> None:
    """Run the kernel's MPTCP selftests on upstream's MPTCP and on the kernel with our series; compare.

    Builds what is missing. Prints a table of all subtests; ends with 6 if the patched kernel does worse in one.
    --wall-limit bounds each guest.

    With --seeds N each is run N times, all that is left to chance following from the seed: a failure comes again with
    its seed, which is tried at once. It is a reproducer then, and the command ends with 6. Ctrl-C keeps and prints what
    has ended. With --kernel on these kernels, as they are.
    """
    if not seeds:
        require_not_given(context, ("seed",), "without --seeds chance is not drawn from a seed", "add --seeds N")
    if names and not seeds:
        raise UsageError("--kernel: only with --seeds", hint="without it the unpatched kernel is compared with ours")
    if sysctls and not names:
        raise UsageError("--sysctl: only with --kernel", hint="the unpatched kernel has no such sysctl")
    for setting in sysctls:
        if not _SYSCTL.fullmatch(setting):
            raise UsageError(f"--sysctl {setting}: not NAME=VALUE", hint="--sysctl net.mptcp.cwnd_push=2")
    selftests.require_programs()
    errors = Console(stderr=True)
    with reporter(errors) as report:
        suite = selftests.prepare(release, progress=report)
        chosen = choose(selftests.units(suite), only)
        kernels = {name: selection.select(name) for name in names} or {
            label: kernel_build.build(
                release=release, patches=patched, fragments=selftests.fragments(release), progress=report
            )
            # The port's own patches go on both: without them it runs on fewer machines, and not in virtual time alone.
            for label, patched in ((BASE, "um"), (OURS, True))
        }
    known = {} if seeds else selftests_table.read_known(selftests_table.known_file(release))
    directory = _make(out or RESULTS / f"{datetime.now():%Y%m%d-%H%M%S}-selftests")
    told, width = Told(errors, len(chosen) * len(kernels) * (seeds or 1)), jobs or len(cores.available())
    if seeds:
        options = _options(release, kernel=names, sysctl=sysctls, only=only, jobs=[jobs] if jobs else ())
        options += ["--wall-limit", f"{wall_limit:g}"]
        search = Search(chosen, suite, kernels, directory, width, wall_limit, told, sysctls, options)
        try_seeds(search, range(seed, seed + seeds))
        return
    cancel = Cancel()
    with scheduler.cancel_on_signals(cancel):
        ends = selftests_run.run(
            chosen,
            suite,
            {label: UmlLab(kernel.image) for label, kernel in kernels.items()},
            directory,
            jobs=width,
            wall_limit_s=wall_limit,
            cancel=cancel,
            on_result=told,
        )
    rows = selftests_table.compare(ends[BASE], ends[OURS], known)
    text = "\n\n".join(filter(None, (_heading(suite, kernels), table(rows), failures(rows), summary(rows)))) + "\n"
    _save(directory, suite, kernels, ends=ends, rows=rows, text=text)
    show(text)
    show(f"kept in {directory}")
    bad = [row for row in rows if row.is_bad]
    if bad:
        first = ", ".join(f"{row.unit}: {row.subtest}: {row.verdict}" for row in bad[:3])
        raise PointsFailed(f"{len(bad)} of {len(rows)} selftests: {first}" + (", ..." if len(bad) > 3 else ""))


def _options(release: Release, **given: Sequence[object]) -> list[str]:
    """The command's options as words, each as often as it has values."""
    words = ["--release", release.name]
    for name, values in given.items():
        for value in values:
            words += [f"--{name}", str(value)]
    return words


def choose(units: Sequence[Unit], only: Sequence[str]) -> list[Unit]:
    """The units of these names, or of these scripts; all without a name. Raises `UsageError` for an unknown name."""
    known = {unit.name for unit in units} | {Path(unit.script).stem for unit in units}
    for name in only:
        if name not in known:
            raise UsageError(f"no selftest {name!r}", hint=f"there are: {', '.join(sorted(known))}")
    return [unit for unit in units if not only or {unit.name, Path(unit.script).stem} & set(only)]


def table(rows: Sequence[Row]) -> str:
    """All rows as text; long remarks are cut."""
    head = ("selftest", "subtest", BASE, OURS, "", "")
    cells = ((row.unit, row.subtest, row.base, row.ours, row.verdict, row.note) for row in rows)
    return columns([head, *((*others, textwrap.shorten(note, _NOTE_WIDTH)) for *others, note in cells)])


def failures(rows: Sequence[Row]) -> str:
    """The subtests that fail in both kernels, with all that they said, and the reason if it is known."""
    lines = [
        f"- {row.unit}: {row.subtest}: {row.note}\n  {row.reason or 'The reason is not known.'}"
        for row in rows
        if row.verdict == "fails in both"
    ]
    return "\n".join(["Failures of the unpatched kernel in this lab:", *lines]) if lines else ""


def summary(rows: Sequence[Row]) -> str:
    """How many subtests had which outcome, in each kernel, and how many are worse."""
    lines = []
    for label, outcomes in ((BASE, [row.base for row in rows]), (OURS, [row.ours for row in rows])):
        counts = Counter(outcomes)
        lines.append(f"{label}: " + ", ".join(f"{counts[key]} {key}" for key in sorted(counts, key=str)))
    bad = sum(row.is_bad for row in rows)
    return "\n".join([*lines, f"worse in the patched kernel, or without a result: {bad}"])


def _heading(suite: Suite, kernels: dict[str, Kernel]) -> str:
    lines = [f"selftests of {suite.source}"]
    for label, kernel in kernels.items():
        patches = ", ".join(patch.name for patch in kernel.manifest.patches) or "no patches"
        lines.append(f"{label}: {kernel.release} ({kernel.id}), {patches}")
    return "\n".join(lines)


def _make(directory: Path) -> Path:
    if why := files.why_no_directory(directory):
        raise UsageError(f"{directory}: {why}", hint="name another directory with --out")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory}: not empty", hint="name a new directory")
    except OSError as error:
        raise PrerequisiteError(
            f"{directory}: cannot be written: {error.strerror}", hint="name another directory with --out"
        ) from error
    return directory


def _save(
    directory: Path,
    suite: Suite,
    kernels: dict[str, Kernel],
    *,
    ends: dict[str, list[UnitResult]],
    rows: Sequence[Row],
    text: str,
) -> None:
    files.write_text(directory / "selftests.txt", text)
    store.write_json(
        directory / "selftests.json",
        {
            "version": 1,
            "suite": suite.source,
            "kernels": {label: kernel.facts() for label, kernel in kernels.items()},
            "runs": {label: [asdict(end) for end in ended] for label, ended in ends.items()},
            "table": [asdict(row) for row in rows],
        },
    )


class Told:
    """Prints a line for each unit that has ended."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def __call__(self, label: str, end: UnitResult) -> None:
        """Print it."""
        counts = Counter(subtest.outcome for subtest in end.subtests)
        what = end.error or ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        with self._lock:
            self._done += 1
            progress = f"[{self._done:{len(str(self._total))}}/{self._total}]"
            self._console.print(
                f"{progress} {label} {end.unit}: {what} ({end.wall_s:.0f} s)",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
