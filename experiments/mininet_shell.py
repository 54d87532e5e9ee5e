"""Mininet's command line on a running network: at a terminal, or with commands from a file or a pipe.

Without a terminal it is a shell as any other: what commands print goes to standard output, what is wrong with them to
standard error with the line's number, and the exit status is that of the last command.
"""

from __future__ import annotations

import logging
import os
import re
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mininet.cli import CLI
from mininet.log import lg, setLogLevel
from mininet.net import Mininet
from mininet.node import Node

from testbed.base.errors import EXIT_FAILURE, EXIT_USAGE

_UNKNOWN_COMMAND = 127  # as in any shell
_STATUS = "testbed-status"
_ITS_STATUS = re.compile(rf"^{_STATUS}=(\d+)$", re.MULTILINE)
_PRINTED = "output"  # the level at which Mininet's command line prints


def interact(network: Mininet) -> None:
    """Mininet's prompt, until the user leaves it."""
    setLogLevel(_PRINTED)
    _Prompt(network)


def execute(network: Mininet, lines: Sequence[str]) -> int:
    """Run the commands one after the other; the status of the last one, or of `exit`.

    A command on a node has its own status, one that neither Mininet nor the network knows 127, one that Mininet cannot
    make sense of 2. Raises `LabError` when a node's shell has ended: nothing more can be run there.
    """
    setLogLevel(_PRINTED)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    complaints = _Complaints()
    lg.handlers[0].setStream(sys.stdout)
    lg.handlers[0].addFilter(lambda record: record.levelno < logging.WARNING)
    lg.addHandler(complaints)
    return _Script(network, lines, complaints).status


class _Prompt(CLI):  # type: ignore[misc]
    @classmethod
    def initReadline(cls) -> None:
        """Keep no history in the home directory: in a lab it is read-only."""


class _Complaints(logging.Handler):
    """Passes Mininet's warnings and errors on to standard error, a line each, and counts the errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.line = 0
        self.errors = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Say where it was."""
        self.errors += record.levelno >= logging.ERROR
        text = " ".join(record.getMessage().removeprefix("*** ").split())
        sys.stderr.write(f"line {self.line}: {text}\n")
        sys.stderr.flush()


class _Script(_Prompt):
    """Runs its lines as it is made, as Mininet's own class does with its input."""

    def __init__(self, network: Mininet, lines: Sequence[str], complaints: _Complaints) -> None:
        self.status = 0
        self._status_before = 0
        self._lines = lines
        self._complaints = complaints
        super().__init__(network)

    def run(self) -> None:
        """The lines, up to the last or to `exit`."""
        for node in self.mn.values():
            node.cmd(
                "PS2=$PS1"
            )  # Mininet knows by the prompt that a command is over; a second one would leave it waiting
        for number, line in enumerate(self._lines, 1):
            self._complaints.line = number
            if self.onecmd(self.precmd(line)):
                break
            sys.stdout.flush()

    def onecmd(self, line: str) -> bool:
        """Run a command and set `status`, which an empty line leaves as it is; whether it was `exit`."""
        if not line.strip():
            return False
        self._status_before, self.status = self.status, 0
        errors = self._complaints.errors
        try:
            is_over = bool(super().onecmd(line))
        except Exception as error:  # Mininet's commands, and Python's at `py`, may raise anything
            lg.error(f"{type(error).__name__}: {error}")
            self.status, is_over = EXIT_FAILURE, False
        if self._complaints.errors > errors and self.status == 0:
            self.status = EXIT_USAGE
        return is_over

    def default(self, line: str) -> None:
        """A command on a node; its status is the node's shell's `$?`."""
        name, arguments, _ = self.parseline(line)
        if name not in self.mn:
            lg.error(f"{line.split()[0]}: no command, and no node (`help` lists the commands, `nodes` the nodes)")
            self.status = _UNKNOWN_COMMAND
            return
        super().default(line)
        if arguments:
            self.status = self._status_of(self.mn[name])

    def waitForNode(self, node: Node) -> None:
        """Print what the command on a node says, as it comes, with the line ends of a file.

        A node that still is `waiting` then has lost its shell.
        """
        ended = os.pidfd_open(node.shell.pid)
        poller = select.poll()
        poller.register(node.stdout, select.POLLIN)
        poller.register(ended, select.POLLIN)
        held = ""  # half of a line end
        try:
            while node.waiting and any(file != ended for file, _ in poller.poll()):
                text = held + node.monitor()
                held = "\r" if text.endswith("\r") else ""
                self._print(text.removesuffix("\r").replace("\r\n", "\n"))
        finally:
            os.close(ended)
        self._print(held)

    def _status_of(self, node: Node) -> int:
        """The status of a node's last command; a shell that waits for the rest of it is freed.

        A node whose shell has ended has no network namespace any more, and no links: Mininet must not ask for them.
        """
        if node.waiting:
            lg.error(f"the shell of {node.name} has ended, and the node with it (rather: {node.name} sh -c '...')")
            self.mn.links = [link for link in self.mn.links if node not in (link.intf1.node, link.intf2.node)]
            (self.mn.hosts if node in self.mn.hosts else self.mn.switches).remove(node)
            node.terminate()
            del self.mn.nameToNode[node.name]
            return EXIT_FAILURE
        said = node.cmd(f"echo {_STATUS}=$?").replace("\r\n", "\n")
        found = _ITS_STATUS.search(said)
        if found is None:
            node.sendInt()
            node.waiting = True
            node.waitOutput()
            lg.error("not a whole command: a quote or a here-document has no end")
            return EXIT_USAGE
        self._print(said[: found.start()])  # of a command that runs in the background
        return int(found[1])

    def do_sh(self, line: str) -> None:
        """Run a command of the lab, on no node: sh COMMAND."""
        sys.stdout.flush()
        code = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, check=False).returncode
        self.status = code if code >= 0 else 128 - code

    def do_source(self, line: str) -> bool:
        """Run the commands of a file: source FILE"""
        try:
            lines = Path(line.strip()).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            lg.error(f"source {line}: {getattr(error, 'strerror', None) or error}")
            return False
        return any(self.onecmd(self.precmd(each)) for each in lines)

    def do_py(self, line: str) -> None:
        """Print the value of a Python expression, in which nodes have their names: py c.IP()"""
        value = eval(line, self.getLocals())
        if value is not None:
            self._print(f"{value}\n")

    def do_px(self, line: str) -> None:
        """Execute a Python statement, in which nodes have their names: px x = c.IP()"""
        exec(line, self.getLocals())

    def do_exit(self, line: str) -> bool:
        """End here, with the status of the command before or another one: exit [STATUS]"""
        self.status = self._status_before
        if line.strip():
            self.status = int(line) & 0xFF if line.strip().isdecimal() else EXIT_USAGE
        return True

    def _print(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
