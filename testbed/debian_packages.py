"""The Debian packages that the toolkit lives on: which it wants, by purpose, and which this machine has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import testbed
from testbed.base.errors import PrerequisiteError, TestbedError
from testbed.process import run

PACKAGES_FILE = Path(testbed.__file__).with_name("debian-packages.txt")
VM_PACKAGES_FILE = PACKAGES_FILE.with_name("debian-packages-vm.txt")
COUNTING_PACKAGES_FILE = PACKAGES_FILE.with_name("debian-packages-counting.txt")
SELFTESTS_PACKAGES_FILE = PACKAGES_FILE.with_name("debian-packages-selftests.txt")
SSH_PACKAGES_FILE = PACKAGES_FILE.with_name("debian-packages-ssh.txt")
TOOLS = ("apache2-utils", "bird2", "ethtool", "iproute2", "lighttpd", "mininet", "mptcpize", "tcpdump")
"""The packages whose versions a run's record has: with others of them a point may exchange other bytes."""


def debian_packages(path: Path = PACKAGES_FILE) -> list[str]:
    """The names in a list of Debian packages."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """The versions of those packages that are installed; empty on a system without dpkg."""
    try:
        listed = run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\\n", *names], check=False)
    except TestbedError:
        return {}
    fields = [line.split() for line in listed.stdout.splitlines()]
    return {each[1]: each[2] for each in fields if len(each) == 3 and each[0] == "installed"}


def install_missing(names: Sequence[str], report: Callable[[str], None]) -> None:
    """Install those packages that are missing; `report` hears of what takes long.

    Raises `PrerequisiteError`, with the command to run, where that needs root and this process is not; and
    `CommandError` with what apt says. Where there is no dpkg, nothing can be said: `report` hears what is wanted.
    """
    if shutil.which("dpkg-query") is None:
        report(f"this is no Debian: see to it that it has what these packages bring: {' '.join(names)}")
        return
    installed = package_versions(names)
    missing = [name for name in dict.fromkeys(names) if name not in installed]
    if not missing:
        return
    if os.geteuid() != 0:
        raise PrerequisiteError(
            f"Debian packages are missing: {' '.join(missing)}",
            hint=f"run as root, and then this again: apt-get install --no-install-recommends {' '.join(missing)}",
        )
    report(f"installing Debian packages: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-q", "update"], env=environment)
    run(["apt-get", "-q", "install", "-y", "--no-install-recommends", *missing], env=environment)
