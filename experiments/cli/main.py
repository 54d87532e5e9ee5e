"""The entry point `testbed`: its commands, and how an error becomes one line and an exit status."""

from __future__ import annotations

import signal
import sys

import click

import testbed
from experiments.cli import output
from experiments.cli.agree import agree
from experiments.cli.analyze import analyze
from experiments.cli.bench import bench
from experiments.cli.command_group import CommandGroup
from experiments.cli.diff import diff
from experiments.cli.figures import figures
from experiments.cli.guest import exec_command, shell
from experiments.cli.inspect import list_command, show
from experiments.cli.instructions import count_instructions
from experiments.cli.kernel import kernel
from experiments.cli.kernel_test import kernel_test
from experiments.cli.output import OutputLost, complain, tell
from experiments.cli.path_manager import path_manager
from experiments.cli.report import report
from experiments.cli.run import run
from experiments.cli.schema import schema
from experiments.cli.upkeep import clean, doctor, libraries
from experiments.cli.verify import verify
from experiments.cli.vm import vm
from testbed.base.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE, LabError, TestbedError
from testbed.signals import Interrupted, raised

_NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())  # click 8.1 ends with status 0


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(testbed.__version__, prog_name="testbed")
def root() -> None:
    """Load balancers and anycast with Multipath TCP: the paper's experiments in an embedded lab."""


kernel.add_command(kernel_test)
root.add_commands("Run experiments", list_command, show, schema, run, verify, agree, count_instructions)
root.add_commands("Look at results", analyze, figures, report, diff)
root.add_commands("Labs and kernels", exec_command, shell, kernel, vm, bench)
root.add_commands("On servers of your own", path_manager)
root.add_commands("Upkeep", doctor, libraries, clean)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    sys.exit(_status(args))


def _status(args: list[str] | None) -> int:
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # inherited; programs that end would leave no status
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        output.prepare()
        with raised():
            status = root.main(args, prog_name="testbed", standalone_mode=False)
            output.show_styled("")  # what click has printed itself may not have left yet
    except OutputLost as error:
        if not error.reader_left:
            complain(error)
        return error.exit_code
    except TestbedError as error:
        complain(error)
        if isinstance(error, LabError) and error.console:
            tell("\n".join(f"    {line}" for line in error.console.splitlines()))
        return error.exit_code
    except click.UsageError as error:
        return _misused(error)
    except click.ClickException as error:
        complain(error.format_message())
        return error.exit_code
    except OSError as error:  # this machine's doing, whatever it was about: a full disk, a file that nobody may read
        return _failed(error)
    except (click.Abort, KeyboardInterrupt, Interrupted) as error:
        complain(str(error) or "interrupted")
        return EXIT_INTERRUPTED
    return status if isinstance(status, int) else 0


def _failed(error: OSError) -> int:
    """Say what failed: standard output, which click writes itself for --help, or something that has a name."""
    try:
        output.show_styled("")
    except OutputLost as lost:
        if not error.filename:
            error = OSError(error.errno, str(lost))
    complain(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error)
    return EXIT_FAILURE


def _misused(error: click.UsageError) -> int:
    message = error.format_message()
    if isinstance(error, _NO_ARGUMENTS):  # click's message is the help
        tell(message)
        return EXIT_USAGE
    hint = f" (see: {error.ctx.command_path} --help)" if error.ctx else ""
    complain(message.rstrip(".") + hint)
    return EXIT_USAGE
