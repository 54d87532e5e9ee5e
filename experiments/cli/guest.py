"""`testbed exec` and `testbed shell`: one command, or Mininet's command line, in a lab."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from experiments import api, shell_commands
from experiments.api.places import clocks_of, kernel_of
from experiments.api.planning import shell_job_of
from experiments.cli import completion
from experiments.cli.options import NumberRange, experiment_of, kernel_option, lab_option, scheme_files, set_option
from experiments.cli.output import OutputLost, drop, say, tell
from testbed.base import files
from testbed.base.errors import EXIT_LAB, PrerequisiteError, UsageError
from testbed.labs import catalog, runtime_directory
from testbed.labs.base import Cancel, Clock, InteractiveLab, Job, JobResult, Sink
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.labs.terminal import Terminal, ending_in_order
from testbed.record.point import Point
from testbed.runs.scheduler import cancel_on_signals

_EVERYWHERE = "upstream"
"""The scheme that every kernel can do."""

_WITHOUT_TERMINAL = "hand the commands in by a file or a pipe: testbed shell lb < FILE"


def _at_once(lab: LabSpec, kernel: str | None) -> LabOptions:
    return LabOptions(core_wait_s=0, kernel=kernel_of(kernel, [lab]), report=say)  # somebody is waiting


@click.command("exec")
@lab_option
@kernel_option
@click.option("--clock", type=click.Choice(["virtual", "real"]), help="Default: virtual, where the lab has it.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Keep $TESTBED_OUT here.")
@click.option("--wall-limit", type=NumberRange(min=0, min_open=True), default=3600.0, metavar="S")
@click.option("--clock-limit", type=NumberRange(min=0, min_open=True), default=86400.0, metavar="S")
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
    _end(context, done)


@click.command()
@click.argument("experiment", metavar="lb|anycast|FIGURE|FILE", shell_complete=completion.set_ups)
@lab_option
@kernel_option
@click.option(
    "--clock",
    type=click.Choice(["virtual", "real"]),
    help="Default: real at a terminal; with commands from a file or a pipe virtual, where the lab has it.",
)
@click.option(
    "--scheme",
    metavar="NAME",
    help=f"How its hosts use MPTCP (testbed list --schemes).  [default: {_EVERYWHERE}, if the experiment has schemes]",
)
@scheme_files
@set_option
@click.pass_context
def shell(
    context: click.Context,
    experiment: str,
    lab: LabSpec,
    kernel: str | None,
    clock: Clock | None,
    scheme: str | None,
    scheme_files: tuple[Path, ...],
    overrides: tuple[str, ...],
) -> None:
    """Mininet's command line on the running topology of an experiment (lb: Fig. 7's, anycast: Fig. 14's).

    At a terminal it is Mininet's prompt. Without one it runs the commands of standard input, all of which is read
    first (testbed shell lb < FILE): `c ping -c 1 s1` runs on node c, `net` and `help` are Mininet's own. Commands have
    no input; what is wrong with a line is said with its number, and the next one is run. As with sh, the exit status is
    that of the last command, or of `exit STATUS`: a node's command has its own, 127 is no such command, 2 a misuse of
    one of Mininet's.

    Of the experiment's points it is the last one of `testbed run EXPERIMENT --dry-run`, without its workload.
    """
    has_terminal = sys.stdin.isatty()
    if has_terminal and not sys.stdout.isatty():
        raise UsageError("a prompt needs a terminal to print to", hint=_WITHOUT_TERMINAL)
    if has_terminal and clock == "virtual":
        raise UsageError("--clock virtual: it does not wait for somebody who types", hint=_WITHOUT_TERMINAL)
    chosen = clocks_of([lab], "real" if has_terminal else clock)[:1]
    plan = partial(api.plan, [experiment_of(experiment)], overrides=overrides, clocks=chosen, scheme_files=scheme_files)
    point = plan(schemes=[scheme] if scheme else ())[-1]
    if not scheme and point.scheme:
        point = plan(schemes=[_EVERYWHERE])[-1]
    done = _interact(lab, kernel, point) if has_terminal else _run_commands(lab, kernel, point)
    _end(context, done)


def _interact(lab: LabSpec, kernel: str | None, point: Point) -> JobResult:
    with ExitStack() as stack:
        stack.enter_context(ending_in_order())
        opened = stack.enter_context(catalog.open_lab(lab, _at_once(lab, kernel)))
        if not isinstance(opened, InteractiveLab):
            raise UsageError(f"the {lab} lab has no prompt", hint=_WITHOUT_TERMINAL)
        output = Path(stack.enter_context(runtime_directory.temporary()))
        return opened.interact(shell_job_of(point, output), Terminal())


def _run_commands(lab: LabSpec, kernel: str | None, point: Point) -> JobResult:
    cancel = Cancel()
    with ExitStack() as stack:
        commands = _spool(Path(stack.enter_context(runtime_directory.temporary())))
        shell_commands.parse(commands.read_bytes())
        output = Path(stack.enter_context(runtime_directory.temporary()))
        opened = stack.enter_context(catalog.open_lab(lab, _at_once(lab, kernel)))
        stack.enter_context(cancel_on_signals(cancel))
        job = shell_job_of(point, output, commands)
        return opened.run(job, stdout=_pass_on(sys.stdout.buffer), stderr=_pass_on(sys.stderr.buffer), cancel=cancel)


def _end(context: click.Context, done: JobResult) -> None:
    """End with the command's status, or with another one than 0 if the kernel complained meanwhile."""
    if done.kernel_warnings:
        tell(f"testbed: warning: the lab's kernel complained: {done.kernel_warnings[0]}")
        context.exit(done.status or EXIT_LAB)
    context.exit(done.status)


def _spool(directory: Path) -> Path:
    path = directory / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def _make(directory: Path) -> Path:
    if why := files.why_no_directory(directory):
        raise UsageError(f"{directory}: {why}", hint="name another directory with --out")
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
