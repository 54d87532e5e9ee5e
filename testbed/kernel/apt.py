"""What apt knows of a release's source package, without root and without a change to the machine's own sources.

A package that the machine's sources need not have is looked up with sources of its own: one suite of Debian's archive,
from the mirror that this machine uses, in a folder of the cache (`downloads/.apt-<suite>/`).
"""

from __future__ import annotations

import os
import re
import shutil
from functools import cmp_to_key
from pathlib import Path

from testbed.base.errors import PrerequisiteError
from testbed.kernel.release import Release
from testbed.process import run

HELPER = "/usr/lib/apt/apt-helper"
C_LOCALE = {"LC_ALL": "C"}

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIRROR_HINT = "run: sudo apt-get update"
_UPDATE_LIMIT_S = 120.0


def mirrors() -> list[str]:
    """The roots of the Debian mirrors that this machine's apt uses, in its order."""
    columns = ("$(ORIGIN)", "$(REPO_URI)")
    said = run(["apt-get", "indextargets", "--format", " ".join(columns), "Created-By: Packages"], check=False).stdout
    roots = [line.partition(" ")[2] for line in said.splitlines() if line.startswith("Debian ")]
    return list(dict.fromkeys(root.rstrip("/") for root in roots))


def versions(release: Release, downloads: Path) -> list[str]:
    """The versions of a release that Debian has, the newest first; raises `PrerequisiteError` if there is none."""
    if shutil.which("apt-get") is None or shutil.which("apt-cache") is None:
        raise PrerequisiteError(
            f"no apt on this machine to fetch {release.package} with",
            hint="give a kernel source tree with: testbed kernel build --source DIR",
        )
    if release.suite:
        _update(release, downloads)
    argv = ["apt-cache", *options(release, downloads), "madison", release.package]
    table = run(argv, env=os.environ | C_LOCALE, check=False).stdout
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    # A source package of the same name may be listed too.
    found = list(dict.fromkeys(row[1] for row in rows if len(row) == 3 and row[2].endswith(" Packages")))
    if not found:
        raise PrerequisiteError(
            f"apt does not know the package {release.package}",
            hint=f"{release.suite} has another release by now: testbed kernel build --source DIR"
            if release.suite
            else "run: sudo apt-get update (Debian 12 needs its security archive, Debian 13 has it in main)",
        )
    return sorted(found, key=cmp_to_key(_compare), reverse=True)


def size_bytes(release: Release, version: str, downloads: Path) -> int:
    """How large apt says the package is; 0 if it does not say."""
    argv = ["apt-cache", *options(release, downloads), "show", f"{release.package}={version}"]
    match = re.search(r"^Size: (\d+)$", run(argv, check=False).stdout, re.MULTILINE)
    return int(match[1]) if match else 0


def options(release: Release, downloads: Path) -> list[str]:
    """The options with which apt-get and apt-cache know the release's package."""
    if not release.suite:
        return []
    folder = _folder(release, downloads)
    settings = {
        "Dir::Etc::sourcelist": folder / "suite.sources",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Get::List-Cleanup": 0,
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _update(release: Release, downloads: Path) -> None:
    """Fetch the suite's index from the first mirror that has it; raises `PrerequisiteError`."""
    folder = _folder(release, downloads)
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    failures: list[str] = []
    for root in mirrors():
        entry = {"Types": "deb", "URIs": f"{root}/", "Suites": release.suite, "Components": "main"}
        lines = [f"{name}: {value}\n" for name, value in (entry | {"Signed-By": str(_KEYRING)}).items()]
        (folder / "suite.sources").write_text("".join(lines), encoding="utf-8")
        argv = ["apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", *options(release, downloads), "update"]
        done = run(argv, env=os.environ | C_LOCALE, check=False, timeout_s=_UPDATE_LIMIT_S)
        if done.status == 0:
            return
        first = next((line for line in done.stderr.splitlines() if line.startswith("E:")), f"status {done.status}")
        failures.append(f"{release.suite} cannot be fetched from {root}: {first}")
    if failures:
        raise PrerequisiteError(failures[0], hint="check the network")
    raise PrerequisiteError(f"apt knows no mirror of Debian to look for {release.package} in", hint=_MIRROR_HINT)


def _folder(release: Release, downloads: Path) -> Path:
    return downloads / f".apt-{release.suite}"


def _compare(one: str, other: str) -> int:
    if one == other:
        return 0
    return 1 if run(["dpkg", "--compare-versions", one, "gt", other], check=False).status == 0 else -1
