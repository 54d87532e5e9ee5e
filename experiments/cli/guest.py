"""`testbed exec` and `testbed shell`: one command, or Mininet's prompt, in a lab."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import click

from experiments import plan as planning
from experiments.api.places import clocks_of, kernel_of
from experiments.api.planning import shell_job_of
from experiments.cli.options import DEFAULT_FIGURES, kernel_option, lab_option, set_option
from experiments.cli.output import OutputLost, drop, say, tell
from testbed.base.errors import EXIT_LAB, PrerequisiteError, UsageError
from testbed.labs import catalog, runtime_directory
from testbed.labs.base import Cancel, Clock, InteractiveLab, Job, Sink
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.labs.terminal import Terminal, ending_in_order
from testbed.runs.scheduler import cancel_on_signals


def _at_once(lab: LabSpec, kernel: str | None) -> LabOptions:
    return LabOptions(core_wait_s=0, kernel=kernel_of(kernel, [lab]), report=say)  # somebody is waiting


@click.command("exec", short_help="Run one command as root in a lab.")
@lab_option
@kernel_option
@click.option("--clock", type=click.Choice(["virtual", "real"]), help="Default: virtual, where the lab has it.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Keep $TESTBED_OUT here.")
@click.option("--wall-limit", type=click.FloatRange(min=0, min_open=True), default=3600.0, metavar="S")
@click.option("--clock-limit", type=click.FloatRange(min=0, min_open=True), default=86400.0, metavar="S")
@click.option("-i", "--stdin", "with_stdin", is_flag=True, help="Hand standard input on (all of it is read first).")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def exec_command(
    context: click.Context,
    lab: LabSpec,
    kernel: str | None,
    clock: Clock | None,
    out: Path | None,
    wall_limit: float,
    clock_limit: float,
    with_stdin: bool,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND as root in a lab; its output and exit status become ours.

    In a guest it sees this machine's files read-only; what it writes below $TESTBED_OUT is kept with --out.
    """
    chosen = clocks_of([lab], clock)[0]
    cancel = Cancel()
    with ExitStack() as stack:
        spool = _spool(Path(stack.enter_context(runtime_directory.temporary()))) if with_stdin else None
        output = _make(out) if out else Path(stack.enter_context(runtime_directory.temporary()))
        opened = stack.enter_context(catalog.open_lab(lab, _at_once(lab, kernel)))
        stack.enter_context(cancel_on_signals(cancel))
        job = Job(
            command,
            output,
            cwd=Path.cwd(),
            clock=chosen,
            wall_limit_s=wall_limit,
            clock_limit_s=clock_limit,
            stdin=spool,
        )
        done = opened.run(job, stdout=_pass_on(sys.stdout.buffer), stderr=_pass_on(sys.stderr.buffer), cancel=cancel)
    if done.kernel_warnings:
        tell(f"testbed: warning: the lab's kernel complained: {done.kernel_warnings[0]}")
        context.exit(done.status or EXIT_LAB)
    context.exit(done.status)


@click.command(short_help="Mininet's command line on a running topology.")
@click.argument("scenario", type=click.Choice(sorted(DEFAULT_FIGURES)))
@lab_option
@kernel_option
@set_option
@click.pass_context
def shell(context: click.Context, scenario: str, lab: LabSpec, kernel: str | None, overrides: tuple[str, ...]) -> None:
    """Mininet's prompt on the running topology (lb: Fig. 7's settings, anycast: Fig. 14's), in real time."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("a shell needs a terminal", hint="run a command with: testbed exec -- COMMAND")
    experiment = planning.load(planning.find(DEFAULT_FIGURES[scenario]))
    point = planning.plan(experiment, overrides=overrides)[-1]
    with ExitStack() as stack:
        stack.enter_context(ending_in_order())
        opened = stack.enter_context(catalog.open_lab(lab, _at_once(lab, kernel)))
        if not isinstance(opened, InteractiveLab):
            raise UsageError(f"the {lab} lab has no shell", hint="run a command with: testbed exec -- COMMAND")
        output = Path(stack.enter_context(runtime_directory.temporary()))
        done = opened.interact(shell_job_of(point, output), Terminal())
    context.exit(done.status)


def _spool(directory: Path) -> Path:
    path = directory / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def _make(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise PrerequisiteError(
            f"{directory}: cannot be written: {error.strerror}", hint="name another directory with --out"
        ) from error
    return directory


def _pass_on(stream: BinaryIO) -> Sink:
    def write(data: bytes) -> None:
        try:
            stream.write(data)
            stream.flush()
        except OSError as error:
            drop(stream.fileno())
            raise OutputLost(error) from error

    return write
