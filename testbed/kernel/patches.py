"""The patch series on top of a kernel source: read, and applied whole or not at all.

The series is a file in the manner of quilt: one patch per line, relative to the folder of all patches (quilt's
QUILT_PATCHES; the series is its QUILT_SERIES), `#` for comments. Every patch is made with `-p1` and must apply
without fuzz.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import ConfigError, KernelBuildError
from testbed.kernel.toolchain import PATCH_PROGRAMS, require
from testbed.process import run

_FILE = re.compile(r"^(?:checking|patching) file '?(.+?)'?(?: \(.*\))?$")
_SUBSYSTEM = re.compile(rb"^Subject: *(?:\[[^\]]*\] *)?([\w/-]+):", re.MULTILINE)
_HUNK = re.compile(r"^Hunk #(\d+) (?:FAILED|ignored|NOT MERGED) at (\d+)")


class PatchMisfit(KernelBuildError):
    """A patch of the series does not apply to this source."""


@dataclass(frozen=True)
class Patch:
    """One patch of the series: its name there, its file, the SHA-256 of its content, and whose code it changes.

    `subsystem` is what the subject of a kernel patch begins with, such as `um` or `mptcp`; empty where it has none.
    """

    name: str
    path: Path
    sha256: str
    subsystem: str = ""


def read_series(series: Path, folder: Path) -> tuple[Patch, ...]:
    """The patches of a series file, in order; their names are relative to `folder`.

    Raises `ConfigError` with `series:line` for a patch that is missing, listed twice, outside the folder
    or listed with options, and when the series itself cannot be read.
    """
    try:
        lines = series.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(series, None, f"the patch series cannot be read: {error}") from error
    patches: list[Patch] = []
    for number, line in enumerate(lines, start=1):
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if not words:
            continue
        name, options = words[0], [word for word in words[1:] if word != "-p1"]
        if options:
            raise ConfigError(series, number, f"{name}: option {options[0]} is not supported: patches apply with -p1")
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ConfigError(series, number, f"{name}: a patch lies in {folder.name}/")
        if any(patch.name == name for patch in patches):
            raise ConfigError(series, number, f"{name}: listed twice")
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(series, number, f"{name}: {error.strerror}") from error
        subject = _SUBSYSTEM.search(content)
        subsystem = subject[1].decode() if subject else ""
        patches.append(Patch(name, path, hashlib.sha256(content).hexdigest(), subsystem))
    return tuple(patches)


def apply(patches: tuple[Patch, ...], tree: Path) -> None:
    """Apply the patches in order to a source tree.

    Each one is tried before it is applied, so a patch that does not fit changes no file; those before it stay.
    Raises `PatchMisfit` naming the patch and its first file and hunk that do not fit.
    """
    if not patches:
        return
    require(PATCH_PROGRAMS)
    for patch in patches:
        argv = ["patch", "-p1", "--batch", "--forward", "--fuzz=0", "--no-backup-if-mismatch", "--reject-file=-"]
        argv += ["-d", str(tree), "-i", str(patch.path.resolve())]
        for attempt in ([*argv, "--dry-run"], argv):
            done = run(attempt, check=False)
            if done.status != 0:
                raise PatchMisfit(
                    f"patch {patch.name} does not apply: {first_misfit(done.stdout + done.stderr)}",
                    hint=f"refresh {patch.path} for this source",
                )


def first_misfit(output: str) -> str:
    """The first file and hunk that patch(1) complains about, from its output."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    file = ""
    for line in lines:
        if match := _FILE.match(line):
            file = match[1]
        elif match := _HUNK.match(line):
            return f"{file}: hunk #{match[1]} at line {match[2]}"
        elif "can't find file to patch" in line:
            return f"{line.partition(' at ')[0]}: {_wanted(lines)}"
        elif "Reversed (or previously applied)" in line:
            return f"{file}: it seems to be applied already"
        elif line.startswith("patch: ****"):
            return line.removeprefix("patch: ****").strip()
    return f"{file}: {lines[-1]}" if lines else "no message"


def _wanted(lines: list[str]) -> str:
    """The name in the `+++` line that patch(1) quotes when it finds no such file."""
    quoted = [line.lstrip("|").split("\t")[0] for line in lines if line.startswith("|+++ ")]
    return quoted[-1].removeprefix("+++ ") if quoted else "unknown file"
