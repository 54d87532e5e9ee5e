"""The entry point `testbed`: its commands, and how an error becomes one line and an exit status."""

from __future__ import annotations

import os
import sys

import click

import testbed
from analysis.errors import AnalysisError
from testbed.cli.agree import agree
from testbed.cli.analyze import analyze
from testbed.cli.bench import bench
from testbed.cli.diff import diff
from testbed.cli.figures import figures
from testbed.cli.guest import exec_command, shell
from testbed.cli.inspect import list_command, show
from testbed.cli.kernel import kernel
from testbed.cli.kernel_test import kernel_test
from testbed.cli.path_manager import path_manager
from testbed.cli.report import report
from testbed.cli.run import run
from testbed.cli.upkeep import clean, doctor
from testbed.cli.verify import verify
from testbed.cli.vm import vm
from testbed.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE, LabError, TestbedError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(testbed.__version__, prog_name="testbed")
def root() -> None:
    """Load balancers and anycast with Multipath TCP: the paper's experiments in an embedded lab."""


kernel.add_command(kernel_test)
_COMMANDS = (
    run, list_command, show, analyze, figures, agree, report, verify, diff, exec_command, shell, kernel, path_manager,
    vm, bench, doctor, clean,
)  # fmt: skip
for _command in _COMMANDS:
    root.add_command(_command)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    sys.exit(_status(args))


def _status(args: list[str] | None) -> int:
    try:
        status = root.main(args, prog_name="testbed", standalone_mode=False)
        sys.stdout.flush()
    except TestbedError as error:
        _complain(str(error))
        if isinstance(error, LabError) and error.console:
            click.echo("".join(f"    {line}\n" for line in error.console.splitlines()), err=True, nl=False)
        return error.exit_code
    except AnalysisError as error:
        _complain(str(error))
        return EXIT_FAILURE
    except click.UsageError as error:
        return _misused(error)
    except click.ClickException as error:
        _complain(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has left; Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    return status if isinstance(status, int) else 0


def _misused(error: click.UsageError) -> int:
    message = error.format_message()
    if "\n" in message:  # no command at all: click's message is the help
        click.echo(message, err=True)
        return EXIT_USAGE
    hint = f" (see: {error.ctx.command_path} --help)" if error.ctx else ""
    _complain(message.rstrip(".") + hint)
    return EXIT_USAGE


def _complain(message: str) -> None:
    click.echo(f"testbed: error: {' '.join(message.splitlines())}", err=True)
