"""Tries needs for real, inside a lab: `python -m testbed.labs.probes JSON-LIST-OF-NEEDS` (`testbed.base.needs`).

Prints a JSON list: for each need an empty text if it is met, else why not. No code is imported but the toolkit's: who
brings a need says how to try it. Only run where everything that it leaves is thrown away (`testbed.labs.features`).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import sys
from pathlib import Path

from pydantic import TypeAdapter

from testbed.base.errors import CommandError, TestbedError
from testbed.base.needs import NO_PROGRAM, Call, Need
from testbed.net.codecs import NetlinkError
from testbed.net.netlink import Refused
from testbed.net.netns import new_namespace
from testbed.process import run

_COMMAND_LIMIT_S = 10.0
_LONGEST = 200
"""Characters of what a command says of its failure."""


def _try(need: Need) -> None:
    if need.program and shutil.which(need.program) is None:
        raise TestbedError(NO_PROGRAM)
    if need.sysctl:
        path = Path("/proc/sys") / need.sysctl.replace(".", "/")
        path.write_text(path.read_text())
    for step in need.probe:
        if isinstance(step, Call):
            module, _, function = step.function.partition(":")
            getattr(importlib.import_module(module), function)(*step.arguments)
        else:
            run(step, timeout_s=_COMMAND_LIMIT_S)


def examine(need: Need) -> str:
    """Try one need; an empty text if it is met, else why not, in one line."""
    try:
        _try(need)
    except CommandError as error:
        said = [] if error.status is None else error.stderr.strip().splitlines()
        return (said or [str(error)])[-1][:_LONGEST]
    except (Refused, NetlinkError) as error:
        return f"the kernel says: {os.strerror(error.code)}"
    except TestbedError as error:
        return " ".join(str(error).split())
    except OSError as error:
        return error.strerror or str(error)
    # Whatever else a library raises, it does not work.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _alone(need: Need) -> str:
    """The same in a network namespace of its own: one may leave the very service that the next one tries."""
    try:
        with new_namespace():
            run(["ip", "link", "set", "lo", "up"], timeout_s=_COMMAND_LIMIT_S)
            return examine(need)
    except OSError as error:
        return f"a network namespace for the probe: {error.strerror}"


def main(argv: list[str]) -> None:
    """Print what became of each need in the list."""
    needs = TypeAdapter(list[Need]).validate_json(argv[0])
    with contextlib.redirect_stdout(sys.stderr):
        errors = [_alone(need) for need in needs]
    sys.stdout.write(json.dumps(errors) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
