"""Debian for the VM: which packages go on its disk, and where this machine's own apt gets them from."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from testbed.base.errors import PrerequisiteError, TestbedError
from testbed.debian_packages import debian_packages
from testbed.process import run

_SYSTEM = ("dbus", "kmod", "openssh-server", "systemd-sysv", "udev")
"""What makes a machine of it, beside the testbed's own list; dbus is how systemd hears of the power button."""

# How to fetch, not what: proxies, certificates, and whether an old index is good enough.
_ACQUIRE = re.compile(r"Acquire::(https?|ftp)::|Acquire::(Check-Valid-Until|Retries|ForceIPv[46])\b")


def names(more: Collection[str] = ()) -> list[str]:
    """The packages of the image; `more` are those that parts need beyond our list."""
    return sorted({*debian_packages(), *_SYSTEM, *more})


def codename() -> str:
    """This machine's Debian release: the image has the same, and so the same Python; raises `PrerequisiteError`."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    if fields.get("ID") != "debian" or "VERSION_CODENAME" not in fields:
        raise PrerequisiteError(
            "the lab VM is made of this machine's Debian packages, and this is no Debian release",
            hint="run testbed from Debian, or make a VM of your own and use --lab ssh:HOST/local",
        )
    return fields["VERSION_CODENAME"].strip('"')


def sources(release: str) -> list[Path]:
    """The files in which this machine's apt has Debian's `release`; raises `PrerequisiteError` if there is none."""
    columns = ("$(ORIGIN)", "$(CODENAME)", "$(SOURCESENTRY)")
    try:
        said = run(["apt-get", "indextargets", "--format", "\t".join(columns), "Created-By: Packages"], timeout_s=60)
    except TestbedError as error:
        raise PrerequisiteError(f"apt does not say where Debian comes from: {error.message}") from error
    found = usable_sources(said.stdout.splitlines(), release)
    if not found:
        raise PrerequisiteError(f"apt knows no source of Debian {release}", hint="run as root: apt-get update")
    return found


def usable_sources(lines: Sequence[str], release: str) -> list[Path]:
    """The files of `apt-get indextargets`' lines (origin, codename, file:entry) with the release or its updates."""
    files: dict[Path, None] = {}
    for line in lines:
        origin, name, entry = (*line.split("\t"), "", "")[:3]
        if origin == "Debian" and (name == release or name.startswith(f"{release}-")):
            files[Path(entry.rpartition(":")[0])] = None
    return list(files)


def apt_options() -> list[str]:
    """This machine's apt settings on how to fetch, as lines of apt.conf."""
    said = run(["apt-config", "dump"], check=False, timeout_s=60)
    return [line for line in said.stdout.splitlines() if _ACQUIRE.match(line)]
