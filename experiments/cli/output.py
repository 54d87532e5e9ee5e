"""The one way in which the command line prints.

What is shown may come from a capture, a guest, another machine or a stranger's run directory. So every text passes
`testbed.base.text` on its way out: nothing in it commands the terminal, and no markup is read in it. Only `exec` and
`shell` pass on what a guest says byte by byte, which is what they are for.

An output that takes nothing more (a pipe whose reader has left, a full disk, a terminal that is gone) is an error of
its own, `OutputLost`: a long piece of work ends in order then, as it does on Ctrl-C.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from testbed.base.errors import TestbedError
from testbed.base.text import plain, plain_lines


class OutputLost(TestbedError):
    """Standard output takes nothing more; `reader_left`: because nobody reads it, which is no fault of anyone's."""

    def __init__(self, error: OSError, *, hint: str = "") -> None:
        super().__init__(f"standard output cannot be written: {error.strerror or error}", hint=hint)
        self.reader_left = error.errno == errno.EPIPE


def prepare() -> None:
    """Make the three standard files fit for use; raises `OutputLost` if standard output is closed.

    Without them the next file that is opened would get their number, and what a program prints would go into it.
    """
    for number in range(3):
        if not _is_open(number):
            _open_nothing(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only
    is_lost = sys.stdout is None  # Python's word for a file that was closed when it started
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    if is_lost:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
        raise OutputLost(OSError(errno.EBADF, os.strerror(errno.EBADF)), hint="to see nothing of it: >/dev/null")


def show(text: object = "", *, newline: bool = True) -> None:
    """Print to standard output; raises `OutputLost`."""
    show_styled(plain_lines(text) + ("\n" if newline else ""))


def show_styled(text: str) -> None:
    """Print what a `Console` of this module has captured, colours and all; raises `OutputLost`."""
    try:
        _write(sys.stdout, text)
    except OSError as error:
        drop(1)
        raise OutputLost(error) from error


def tell(text: object) -> None:
    """Print to standard error, beside the output; where nobody hears it, nothing happens."""
    try:
        _write(sys.stderr, plain_lines(text) + "\n")
    except OSError:
        drop(2)


def say(what: str) -> None:
    """Tell the user of something that takes long, or was left out, beside the output."""
    tell(f"testbed: {what}")


def complain(message: object) -> None:
    """Say on standard error, in one line, what went wrong."""
    tell(f"testbed: error: {plain(' '.join(str(message).splitlines()))}")


def show_files(paths: Sequence[Path]) -> None:
    """Name the files that were written; a figure by its PNG alone."""
    for path in paths:
        if path.suffix not in (".pdf", ".svg"):
            show(path)
    if any(path.suffix == ".svg" for path in paths):
        show("(each figure as PDF and SVG, too)")


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows as text of fixed column widths; the columns in `right` end flush."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if index in right else text.ljust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def drop(number: int) -> None:
    """Let go of a standard file that cannot be written: Python would complain when it flushes it at exit."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, number)
        os.close(null)


class Console(rich.console.Console):
    """A console of rich that reads no markup in what it prints, and lets nothing through that a terminal obeys."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **settings})

    def render_str(self, text: str, **settings: Any) -> Text:
        """The text, neutralised before its width is measured."""
        return super().render_str(plain_lines(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments, their texts neutralised; what moves the cursor is rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain_lines(segment.text), segment.style)


class Drawing(Console):
    """Draws into memory what `show` prints later: for a terminal if standard output is one, else as plain text.

    rich's own `capture` writes to standard output, too, when it ends, and fails there without a word on what failed.
    """

    def __init__(self, *, width: int | None = None) -> None:
        self._drawn = io.StringIO()
        super().__init__(file=self._drawn, width=width, force_terminal=Console().is_terminal)

    def text(self) -> str:
        """What was drawn, without the spaces at the ends of its lines."""
        return "\n".join(line.rstrip() for line in self._drawn.getvalue().rstrip("\n").split("\n"))


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _open_nothing(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)


def warn(problems: Sequence[str]) -> None:
    """A line each on what was left out, such as a figure that could not be drawn; the rest is there."""
    for problem in problems:
        tell(f"testbed: warning: {problem}")
