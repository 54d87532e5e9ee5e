"""Runs one point inside a lab: `python -m experiments.agent`, with the point in `$TESTBED_OUT/point.json`.

Builds the topology, configures every role, captures, drives the workload, and leaves the raw
directory. `--shell` builds the same and gives Mininet's command line instead; `--commands` runs there those that
standard input has. In a guest that is to be a template it stands still first, and goes on in each copy.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.composition import Parts, import_parts, load_code, parts_of
from experiments.measurement import drive
from experiments.record import write
from experiments.stage import path_managers, put_middlebox, stage
from testbed import template
from testbed.base.errors import TestbedError
from testbed.lab_clock import set_seed, start_afresh
from testbed.process import CommandLog
from testbed.record import commands, settings
from testbed.record.commands import Command
from testbed.record.point import Point
from testbed.record.settings import Settings


def _say(phase: str, **more: bool) -> None:
    sys.stdout.write(json.dumps({"phase": phase, "clock_s": round(time.monotonic(), 6), **more}) + "\n")
    sys.stdout.flush()


def run_point(point: Point, parts: Parts, out: Path) -> None:
    """Run the point and leave its raw directory in `out`; raises `TestbedError` if it cannot be run."""
    with tracing(point, out):
        _run(point, parts, out)


@contextlib.contextmanager
def tracing(point: Point, out: Path) -> Iterator[None]:
    """The kernel's events that the point asks for, recorded until the block ends, and written then.

    It begins before the clock and the random numbers start afresh, so that a point without is as it was.
    """
    if point.trace is None or not point.trace.events:
        yield
        return
    from testbed.tools import kernel_trace

    wanted = point.trace
    with kernel_trace.tracing(wanted.events, wanted.buffer_bytes, virtual=point.clock == "virtual") as trace:
        yield
        trace.save(out)


def _run(point: Point, parts: Parts, out: Path) -> None:
    log = CommandLog()
    if point.clock == "virtual":
        set_seed(point.seed)
        start_afresh()
    _say("building the topology")
    try:
        with stage(point, parts, log) as ready, path_managers(point, ready, out):
            write(out / settings.FILE, Settings.model_validate(ready.settings | {"kernel": platform.release()}))
            if point.clock == "virtual":
                _say("running the workload")
                drive(point, ready, out)
            else:  # what else the machine does would show
                _say("running the workload", measured=True)
                drive(point, ready, out, ended=partial(_say, "settling"))
            _say("done")
    finally:
        ran = [Command.model_validate(entry) for entry in log.entries]
        (out / commands.FILE).write_text("".join(command.line() for command in ran))


def open_shell(point: Point, parts: Parts, out: Path) -> None:
    """Mininet's command line on the point's running topology, every role configured, no workload."""
    from experiments import mininet_shell  # a point that runs its workload must not notice that there is a shell

    with stage(point, parts, CommandLog()) as ready, path_managers(point, ready, out):
        put_middlebox(point, ready)
        mininet_shell.interact(ready.network.mininet)


def run_commands(point: Point, parts: Parts, out: Path) -> int:
    """Run the commands of standard input there; the status of the last one."""
    from experiments import mininet_shell, shell_commands

    lines = shell_commands.parse(sys.stdin.buffer.read())
    if point.clock == "virtual":
        set_seed(point.seed)
        start_afresh()
    with stage(point, parts, CommandLog()) as ready, path_managers(point, ready, out):
        put_middlebox(point, ready)
        return mininet_shell.execute(ready.network.mininet, lines)


def main(argv: list[str]) -> int:
    """Exit status of the agent: 0, that of the last command, or the error's own."""
    try:
        if template.is_wanted():
            import_parts()
            if not template.stand_still():
                return 0
        out = Path(os.environ["TESTBED_OUT"])
        point = Point.from_json((out / "point.json").read_text())
        load_code(point, out)
        # Before the clock matters: what is imported now is not read from a disk while a point is set up.
        importlib.import_module("testbed.nodes")
        parts = parts_of(point)
        with parts.explained():
            if argv == ["--shell"]:
                open_shell(point, parts, out)
            elif argv == ["--commands"]:
                return run_commands(point, parts, out)
            else:
                run_point(point, parts, out)
    except TestbedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
