"""`python -m testbed.path_manager JSON [JSON]`: the daemon as a process of its own, as a point starts it."""

from __future__ import annotations

import contextlib
import sys

from testbed.base.errors import TestbedError
from testbed.path_manager.options import OwnAddresses
from testbed.path_manager.service import Task, read, serve


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens: no reason to leave the connections alone
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def main(task: str, own_addresses: str = "") -> int:
    """Exit status of the daemon: 0, or the error's own."""
    try:
        serve(read(Task, task), _say, read(OwnAddresses, own_addresses) if own_addresses else None)
    except TestbedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
