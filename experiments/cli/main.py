"""The entry point `testbed`: its commands, and how an error becomes one line and an exit status."""

from __future__ import annotations

import signal
import sys

import click

import testbed
from experiments.cli import output
from experiments.cli.command_group import CommandGroup, Listed
from experiments.cli.output import OutputLost, complain, tell
from testbed import extras
from testbed.base.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE, LabError, TestbedError
from testbed.signals import Interrupted, raised

_NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())  # click 8.1 ends with status 0


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(testbed.__version__, prog_name="testbed")
def root() -> None:
    """Load balancers and anycast with Multipath TCP: the paper's experiments in an embedded lab."""


root.list_later(
    "Run experiments",
    Listed("list", "inspect:list_command", "List the experiments, or the parts that they are made of."),
    Listed("show", "inspect:show", "Draw the topology of an experiment."),
    Listed("schema", "schema:schema", "Print the JSON Schema of experiments' files, for editors."),
    Listed("run", "run:run", "Run experiments and draw their figures."),
    Listed("verify", "verify:verify", "Run a run's points again: is every byte the same?"),
    Listed("agree", "agree:agree", "Run the same points in two labs and compare them."),
    Listed("explore", "explore:explore", "Lose (repeat, delay, swap) each packet of a connection."),
    Listed("count-instructions", "instructions:count_instructions", "Count what page loads cost: MPTCP beside TCP."),
)
root.list_later(
    "Look at results",
    Listed("analyze", "analyze:analyze", "Analyse a run, or captures from anywhere."),
    Listed("figures", "figures:figures", "Draw the figures of a run, of a point, of a connection."),
    Listed("report", "report:report", "Judge the paper's claims by one or several runs."),
    Listed("grade", "grade:grade", "Grade a student's run by a teacher's claims."),
    Listed("export", "export:export", "Write a point's captures as one pcapng, with comments."),
    Listed("diff", "diff:diff", "Show the first packet at which two runs part."),
)
root.list_later(
    "Labs and kernels",
    Listed("exec", "guest:exec_command", "Run one command as root in a lab."),
    Listed("shell", "guest:shell", "Mininet's command line on a running topology."),
    Listed("kernel", "kernel:kernel", "Build, list, find and test the lab kernel."),
    Listed("vm", "vm:vm", "Build, start and stop the lab VM, for --lab vm."),
    Listed("bench", "bench:bench", "Measure CPU and wall seconds per virtual second."),
)
root.list_later(
    "On servers of your own",
    Listed("path-manager", "path_manager:path_manager", "Manage the paths of a server behind a load balancer."),
)
root.list_later(
    "Upkeep",
    Listed("setup", "setup:setup", "Make this machine ready: Debian packages, the lab kernel."),
    Listed("doctor", "upkeep:doctor", "Check what the testbed needs; name the cure for the rest."),
    Listed("libraries", "upkeep:libraries", "Build the library that ab preloads for large reads."),
    Listed("results", "results:results", "List runs with their sizes, or remove some."),
    Listed("clean", "upkeep:clean", "Remove what killed runs and builds left."),
)


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
    except ModuleNotFoundError as error:  # of a module that is imported no sooner than it is needed
        missing = extras.explanation("this", error)
        if missing is None:
            raise
        complain(missing)
        return missing.exit_code
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
