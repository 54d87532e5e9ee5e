"""Runs a program with sysctls set in every network namespace that it makes: `python -m ... NAME=VALUE... -- PROGRAM`.

The selftests make theirs by `ip netns add`, and a namespace begins with the kernel's defaults, whatever its maker's
has. So an `ip` comes first in their PATH that is the real one, and sets and reads back what is wanted in each that was
made. Where one cannot be set, or no namespace was ever made, it says so as its last line and ends with `NOT_SET`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.process import search_path

_FOUND, _FAILED = "namespaces", "failed"
NOT_SET = 125
"""The exit status where a sysctl was not set: other than any that a selftest has."""


def main(settings: Sequence[str], argv: Sequence[str]) -> int:
    """Run it; the exit status."""
    path = search_path()
    real = shutil.which("ip", path=path)
    if real is None:
        return _not_set("there is no program ip, which sets sysctls of namespaces")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        wrapper = folder / "ip"
        wrapper.write_text(script(real, settings, folder))
        wrapper.chmod(0o755)
        status = subprocess.call(argv, env={**os.environ, "PATH": f"{folder}:{path}"})
        if (failed := folder / _FAILED).exists():
            return _not_set(failed.read_text().splitlines()[0])
        if not (folder / _FOUND).exists():
            return _not_set(f"no namespace was made, so {', '.join(settings)} was never set")
        return status


def _not_set(why: str) -> int:
    sys.stdout.write(f"{why}\n")
    return NOT_SET


def script(real: str, settings: Sequence[str], folder: Path) -> str:
    """The program `ip` that comes first: a namespace in which something cannot be set is a failure to make one."""
    lines = [
        "#!/bin/sh",
        f'[ "$1 $2" = "netns add" ] || exec {real} "$@"',
        f'{real} "$@" || exit $?',
        f'echo "$3" >>{shlex.quote(str(folder / _FOUND))}',
    ]
    for setting in settings:
        name, _, value = setting.partition("=")
        file, wanted = shlex.quote("/proc/sys/" + name.replace(".", "/")), shlex.quote(value)
        inner = f'{real} netns exec "$3" sh -c \'echo "$1" >"$2" && [ "$(cat "$2")" = "$1" ]\' sh {wanted} {file}'
        complaint = shlex.quote(f"{setting} could not be set in a namespace")
        lines.append(f"{inner} || {{ echo {complaint} >>{shlex.quote(str(folder / _FAILED))}; exit 1; }}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    cut = sys.argv.index("--")
    sys.exit(main(sys.argv[1:cut], sys.argv[cut + 1 :]))
