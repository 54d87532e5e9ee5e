"""The errors that the toolkit raises: one base class, an exit status and a cure each.

The core raises; only `experiments/cli/` prints and exits. A message is one line: what was
wrong, and where; `hint` says what to do. A user's mistake never ends in a traceback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from testbed.base.text import plain

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_PREREQUISITE = 3
EXIT_LAB = 4
EXIT_TIMEOUT = 5
EXIT_POINTS_FAILED = 6
EXIT_INTERRUPTED = 130


class TestbedError(Exception):
    """Something the toolkit can explain in one line.

    `exit_code` is the status the CLI ends with; `hint` is what the reader can do about it.
    """

    __test__ = False  # the name starts with "Test", but pytest must not collect it
    exit_code = EXIT_FAILURE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def again(self) -> Self:
        """The same error once more, for one of several who wait for what has failed: with a traceback of its own."""
        other = type(self).__new__(type(self), *self.args)
        other.__dict__.update(self.__dict__)
        return other

    def __str__(self) -> str:
        # What a stranger's file or machine said may be in it: one line, whatever that was.
        return plain(f"{self.message} ({self.hint})" if self.hint else self.message)


class AnalysisError(TestbedError):
    """A file or directory that cannot be analysed."""

    def __reduce__(self) -> tuple[object, ...]:
        # The default would lose the keyword argument when a worker process sends the error to its parent.
        return (_rebuild_analysis_error, (self.message, self.hint))


def _rebuild_analysis_error(message: str, hint: str) -> AnalysisError:
    return AnalysisError(message, hint=hint)


class UsageError(TestbedError):
    """The command line asks for something that does not exist or cannot be."""

    exit_code = EXIT_USAGE


class ConfigError(TestbedError):
    """A configuration file is wrong; the message starts with `file:line`."""

    exit_code = EXIT_USAGE

    def __init__(self, path: Path | str, line: int | None, what: str, *, hint: str = "") -> None:
        where = f"{path}:{line}" if line else str(path)
        super().__init__(f"{where}: {what}", hint=hint)
        self.path = Path(path)
        self.line = line


class PrerequisiteError(TestbedError):
    """This machine lacks something: a package, disk space, a permission."""

    exit_code = EXIT_PREREQUISITE


class CommandError(TestbedError):
    """A program that the toolkit ran ended with a status other than 0 (or did not start)."""

    def __init__(self, argv: list[str], status: int | None, stderr: str, *, hint: str = "") -> None:
        tail = stderr.strip().splitlines()
        last = tail[-1].strip() if tail else "no message"
        how = "could not be started" if status is None else f"ended with status {status}"
        super().__init__(f"{' '.join(argv)}: {how}: {last}", hint=hint)
        self.argv = argv
        self.status = status
        self.stderr = stderr


class ReadbackError(TestbedError):
    """A setting was written without an error, and reads back differently."""

    def __init__(self, what: str, wanted: object, found: object) -> None:
        super().__init__(f"{what}: wrote {wanted!r}, reads back {found!r}")


class WorkloadTooShort(TestbedError):
    """A workload that ends when it is done was done before something that should have happened to it."""


class KernelBuildError(TestbedError):
    """The lab kernel could not be configured or built; the message names the first error line."""


class LabError(TestbedError):
    """A lab could not run what it was given, or its guest came to a bad end."""

    exit_code = EXIT_LAB

    def __init__(self, message: str, *, hint: str = "", console: str = "") -> None:
        super().__init__(message, hint=hint)
        self.console = console


class GuestPanic(LabError):
    """The guest's kernel panicked or died without a word."""


class GuestKernelWarning(LabError):
    """The command ended, but the guest's kernel printed a WARNING, BUG or call trace."""


class GuestTimeout(LabError):
    """The guest ran past its limit of wall time or virtual time."""

    exit_code = EXIT_TIMEOUT


class GuestAsleep(GuestTimeout):
    """Every process of the guest waits for something that will never come."""


class GuestKilled(LabError):
    """The guest's process on the host was killed from outside."""


class RunInterrupted(TestbedError):
    """The user ended the run (Ctrl-C, SIGTERM); finished points are kept."""

    exit_code = EXIT_INTERRUPTED


class DiskFull(RunInterrupted):
    """A run was ended because its directory has no room for another point; finished points are kept."""

    exit_code = EXIT_PREREQUISITE


class PointsFailed(TestbedError):
    """The run went through, but some of its points failed or are invalid."""

    exit_code = EXIT_POINTS_FAILED
