"""The script `testbed`: what Ctrl-C means while the command line is still being read from the disk."""

from __future__ import annotations

import os
import signal

from testbed.base.errors import EXIT_INTERRUPTED


def main() -> None:
    """Run the command line and exit with its status; until it is there, Ctrl-C is one line and no traceback."""
    signal.signal(signal.SIGINT, _end)
    # It takes most of a second, and sets handlers of its own.
    from experiments.cli.main import main as run

    run()


def _end(_number: int, _frame: object) -> None:
    os.write(2, b"testbed: error: interrupted\n")
    os._exit(EXIT_INTERRUPTED)
