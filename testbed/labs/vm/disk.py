"""Making the VM's disk: Debian by mmdebstrap, our files on top, packed into an ext4 file system without mounting it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from testbed.base.errors import LabError
from testbed.labs.vm import packages, root_files, user_namespace
from testbed.labs.vm.root_files import HOST_NAME, Keys
from testbed.process import run, search_path
from testbed.reaped_process import ReapedProcess

_POLL_S = 0.2
# Devices can be made by real root alone, and the kernel mounts its own there (CONFIG_DEVTMPFS_MOUNT).
_PACK = """\
set -e
mkdir root
tar --extract --numeric-owner --xattrs --exclude='./dev/*' --file root.tar --directory root
mke2fs -q -t ext4 -L testbed -d root disk.img "$1"
rm -rf root root.tar"""

Report = Callable[[str], None]


def make(
    area: Path,
    whole: Path,
    *,
    release: str,
    sources: Sequence[Path],
    names: Sequence[str],
    dependencies: Mapping[str, str],
    size: str,
    report: Report,
) -> None:
    """Make disk, keys and the list of its packages in `whole`; `area` is for what is left over. Raises `LabError`.

    `sources` are files of apt, `names` Debian packages, `dependencies` Python packages of this environment.
    """
    keys = make_keys(whole)
    root_files.write(area / "ours.tar", keys, dependencies)
    (area / "fetching.conf").write_text("".join(f"{line}\n" for line in packages.apt_options()))

    def pass_on(line: str) -> None:
        if line.startswith("I: ") and line.endswith("...") and "tempdir" not in line:
            report(line.removeprefix("I: ").removesuffix("..."))

    _run_contained(command(release, sources, names), area, "mmdebstrap", pass_on)
    report("packing the disk")
    _run_contained(["sh", "-c", _PACK, "sh", size], area, "pack", lambda _line: None)
    for name in ("disk.img", "packages.txt"):
        (area / name).rename(whole / name)


def make_keys(folder: Path) -> Keys:
    """Fresh keys: the user's stay in `folder`, the machine's own go to its disk and to known_hosts."""
    user, host = folder / "id_ed25519", folder / "host_key"
    for path in (user, host):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", HOST_NAME, "-f", path])
    public = host.with_suffix(".pub")
    keys = Keys(host.read_text(), public.read_text(), user.with_suffix(".pub").read_text())
    (folder / "known_hosts").write_text(f"{HOST_NAME} {' '.join(keys.host_public.split()[:2])}\n")
    host.unlink()
    public.unlink()
    return keys


def command(release: str, sources: Sequence[Path], names: Sequence[str]) -> list[str]:
    """mmdebstrap's command line, for a directory with `ours.tar` and `fetching.conf`; leaves `root.tar`.

    It runs with root's rights, real or in a namespace (`user_namespace`), in which its own ways are not needed.
    """
    return [
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(names)}", "--aptopt=fetching.conf",
        # Keys that an installation makes are the same in no two machines, but ours are known.
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*',
        "--customize-hook=tar-in ours.tar /",
        r"""--customize-hook=chroot "$1" dpkg-query -W -f '${Package} ${Version}\n' > packages.txt""",
        '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
        release, "root.tar", *map(str, sources),
    ]  # fmt: skip


def _run_contained(argv: Sequence[str], area: Path, name: str, heard: Callable[[str], None]) -> None:
    """Run a program with root's rights in `area`; it ends with us, however we end, and all that it started too."""
    log = area / f"{name}.log"
    environment = {**os.environ, "TMPDIR": str(area), "LC_ALL": "C.UTF-8", "PATH": search_path()}
    with log.open("wb") as file:
        reaped = ReapedProcess(
            [*user_namespace.contained(), *argv], stdout=file, stderr=file, env=environment, cwd=area
        )
        try:
            said = 0
            while (status := reaped.poll()) is None:
                time.sleep(_POLL_S)
                lines = log.read_text(errors="replace").splitlines()
                for line in lines[said:]:
                    heard(line)
                said = len(lines)
        finally:
            reaped.release()
    if status != 0:
        lines = log.read_text(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith(("E: ", "mke2fs: "))] or lines or ["no message"]
        raise LabError(f"{name} ended with status {status}: {errors[0]}", console="\n".join(lines[-15:]))
