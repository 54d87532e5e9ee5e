"""A kernel source tree of the user's own (`--source DIR`): what state it is in. It is never changed.

The build goes to a directory outside (`make O=`), which make allows only for a tree that nobody built in.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import CommandError, PrerequisiteError, UsageError
from testbed.process import run

_VERSION = re.compile(r"^VERSION = (\d+)\nPATCHLEVEL = (\d+)$", re.MULTILINE)
_BUILT_IN_PLACE = (".config", "include/config", "arch/um/include/generated", "arch/x86/include/generated")


@dataclass(frozen=True)
class SourceTree:
    """A directory with a kernel source and a text for the state that its files are in.

    `version` is the kernel's own as in `7.3`, as its Makefile has it; empty where that does not say.
    """

    path: Path
    state: str
    version: str = ""

    @property
    def identity(self) -> str:
        """The text that stands for this source in a kernel's identity."""
        return f"{self.path} {self.state}"


def examine(directory: Path) -> SourceTree:
    """Look at a source tree; raises `UsageError` if it is none, or was built in."""
    path = directory.resolve()
    if not (path / "Kconfig").is_file() or not (path / "arch" / "um" / "Makefile").is_file():
        raise UsageError(f"{directory}: no Linux kernel source tree")
    for name in _BUILT_IN_PLACE:
        if (path / name).exists():
            raise UsageError(
                f"{directory}: the source tree is not clean: {name} is left from a build in place",
                hint=f"save your .config, then run: make -C {path} ARCH=um mrproper",
            )
    return SourceTree(path, _git_state(path) or _file_state(path), _version(path))


def copy(tree: SourceTree, target: Path) -> None:
    """Copy the tree (sharing blocks where the file system can); raises `PrerequisiteError` if that fails."""
    try:
        run(["cp", "-a", "--reflink=auto", tree.path, target])
    except CommandError as error:
        raise PrerequisiteError(f"the source tree could not be copied: {error.message}") from error


def _version(path: Path) -> str:
    try:
        match = _VERSION.search((path / "Makefile").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return f"{match[1]}.{match[2]}" if match else ""


def _git_state(path: Path) -> str | None:
    """Commit, and a hash over everything that differs from it; None if this is no repository that git will read."""
    if not (path / ".git").exists() or shutil.which("git") is None:
        return None
    git = ["git", "-C", str(path)]
    head = run([*git, "rev-parse", "HEAD"], check=False)
    difference = run([*git, "diff", "--no-ext-diff", "--binary", "HEAD"], check=False)
    untracked = run([*git, "ls-files", "-z", "--others", "--exclude-standard"], check=False)
    if head.status or difference.status or untracked.status:
        return None
    commit = f"git {head.stdout.strip()}"
    if not difference.stdout and not untracked.stdout:
        return commit
    digest = hashlib.sha256(difference.stdout.encode())
    for name in sorted(filter(None, untracked.stdout.split("\0"))):
        digest.update(_stamp(path / name, name))
    return f"{commit} changed {digest.hexdigest()[:12]}"


def _file_state(path: Path) -> str:
    """A hash over names, sizes and times of all files."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            file = Path(folder) / name
            digest.update(_stamp(file, str(file.relative_to(path))))
    return f"files {digest.hexdigest()[:12]}"


def _stamp(file: Path, name: str) -> bytes:
    status = file.lstat()
    return f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode()
