"""The commands that `testbed shell` is given by a file or a pipe: lines of text, checked before a lab is started."""

from __future__ import annotations

from testbed.base.errors import UsageError

LONGEST_LINE = 2000
"""Bytes. A node's shell reads a terminal of its own, which drops what is beyond 4095 of a line (termios(3)), and there
Mininet has put addresses in the place of names."""


def parse(data: bytes) -> list[str]:
    """The lines, numbered from 0; raises `UsageError` for what a node's terminal would not take as it stands."""
    lines = []
    for number, line in enumerate(data.split(b"\n"), 1):
        where = f"standard input, line {number}"
        try:
            text = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"{where}: not UTF-8 text", hint="commands are lines of text") from error
        if any((character < " " and character != "\t") or character == "\x7f" for character in text):
            raise UsageError(f"{where}: a control character", hint="commands are lines of text")
        if len(line) > LONGEST_LINE:
            raise UsageError(
                f"{where}: longer than {LONGEST_LINE} bytes", hint="put it into a file, and run: NODE sh FILE"
            )
        lines.append(text)
    return lines
