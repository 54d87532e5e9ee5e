"""Root's rights over files of many users, as the VM's have: real ones for root, those of a user namespace for others.

In the namespace root is the user who runs us, so that all that is the user's can be reached, and the other users are
the user's subordinate ones (subuid(5)): so Debian's installation runs, and what it left can be removed.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
from pathlib import Path

from testbed.base.errors import PrerequisiteError, TestbedError
from testbed.process import run

_AS_ROOT = ["--user", "--map-root-user", "--map-auto"]
# Mounts and processes of its own: whatever ends it, the kernel undoes both.
_CONTAINED = ["--mount", "--pid", "--fork", "--kill-child"]


def contained(user: int | None = None) -> list[str]:
    """What to put before an argv that is to run with these rights, with mounts and processes of its own."""
    return ["unshare", *_rights(user), *_CONTAINED]


def _rights(user: int | None) -> list[str]:
    return [] if (os.geteuid() if user is None else user) == 0 else _AS_ROOT


def require() -> None:
    """Raise `PrerequisiteError` unless this user can have them."""
    try:
        run([*contained(), "true"], timeout_s=30)
    except TestbedError as error:
        name = getpass.getuser()
        raise PrerequisiteError(
            f"a disk with files of several users cannot be made here: {error.message}",
            hint=f"as root: apt-get install uidmap; usermod --add-subuids 100000-165535 "
            f"--add-subgids 100000-165535 {name}; or build as root",
        ) from error


def mounts_below(path: Path, mountinfo: str) -> list[Path]:
    """The mount points at or below a directory, in the order of mounting; `mountinfo` as in proc(5)."""
    where = path.resolve()
    points = [Path(_unescaped(line.split(" ")[4])) for line in mountinfo.splitlines()]
    return [point for point in points if point.is_relative_to(where)]


def _unescaped(text: str) -> str:
    """A path as it is: the kernel writes blanks and backslashes as octal numbers (show_mountinfo, mangle_path)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def remove(path: Path) -> None:
    """Remove a directory of ours with all that is in it, whoever its files belong to; raises `PrerequisiteError`."""
    if path.is_symlink():
        raise PrerequisiteError(f"{path}: is a symbolic link, not a directory of ours", hint="remove it yourself")
    mounted = mounts_below(path, Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))
    if mounted:  # what is mounted there is not there: it may be this machine's /dev/shm
        raise PrerequisiteError(f"{path}: something is mounted in it", hint=f"run as root: umount '{mounted[-1]}'")
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    try:
        if os.geteuid() != 0:
            run(["unshare", *_AS_ROOT, "rm", "-rf", "--one-file-system", "--", path], timeout_s=300)
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, TestbedError) as error:
        raise PrerequisiteError(f"{path}: cannot be removed: {error}") from error
