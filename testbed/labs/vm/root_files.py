"""What is ours on the VM's disk, as one tar file: network, SSH keys, and the Python packages that the toolkit needs.

The Python packages are copied from the environment that runs here, so that the machine needs no network; the ssh lab
builds the toolkit's environment there on top of them (`testbed.labs.ssh.remote.environment`).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from testbed.base.errors import PrerequisiteError
from testbed.labs.ssh.remote.layout import BUNDLED

HOST_NAME = "testbed-vm"

_UNITS = "etc/systemd/system"
# What a Debian machine starts by itself and a lab should not: a web server on port 80, and work at odd hours.
_MASKED = (
    "apt-daily-upgrade.timer", "apt-daily.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "lighttpd.service",
)  # fmt: skip
_STARTED = {
    "multi-user.target.wants/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
    "sockets.target.wants/systemd-networkd.socket": "/lib/systemd/system/systemd-networkd.socket",
}

# QEMU's user network gives the first machine this address (docs/system/devices/net.rst).
_NETWORK = """\
[Match]
Name=e*

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
"""
_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
"""


@dataclass(frozen=True)
class Keys:
    """The machine's own key pair, and the public key that may log in; OpenSSH's text forms."""

    host_private: str
    host_public: str
    user_public: str


def texts(keys: Keys) -> dict[str, tuple[str, int]]:
    """Our text files on the disk: path, content and mode."""
    return {
        "etc/hostname": (f"{HOST_NAME}\n", 0o644),
        "etc/hosts": (f"127.0.0.1 localhost\n127.0.1.1 {HOST_NAME}\n", 0o644),
        "etc/fstab": ("/dev/vda / ext4 defaults 0 1\n", 0o644),
        "etc/systemd/network/10-testbed.network": (_NETWORK, 0o644),
        "etc/ssh/sshd_config.d/10-testbed.conf": (_SSHD, 0o644),
        "etc/ssh/ssh_host_ed25519_key": (keys.host_private, 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (keys.host_public, 0o644),
        "root/.ssh/authorized_keys": (keys.user_public, 0o600),
        # No index can be reached: say so at once.
        "etc/pip.conf": ("[global]\nno-index = true\n", 0o644),
    }


def links() -> dict[str, str]:
    """Our symbolic links on the disk: path and target."""
    masked = {f"{_UNITS}/{name}": "/dev/null" for name in _MASKED}
    return masked | {f"{_UNITS}/{name}": target for name, target in _STARTED.items()}


def python_files(versions: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """The files of these installed distributions: where each lies here, and its path below their common directory.

    Programs (`bin/`) are left out. Raises `PrerequisiteError` for a distribution that is not installed whole.
    """
    for name in sorted(versions):
        try:
            files = metadata.distribution(name).files
        except metadata.PackageNotFoundError:
            files = None
        if not files:
            raise PrerequisiteError(f"the Python package {name} is not installed whole", hint="run: make venv")
        for file in files:
            path = Path(str(file.locate()))
            if ".." not in PurePosixPath(file).parts and path.is_file():
                yield path, str(PurePosixPath(file))


def write(target: Path, keys: Keys, versions: Mapping[str, str]) -> None:
    """Write the tar file; everything in it belongs to root."""
    with tarfile.open(target, "w") as archive:
        for path, (text, mode) in texts(keys).items():
            _add(archive, path, text.encode(), mode)
        for path, aim in links().items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, aim
            archive.addfile(entry)
        bundle = BUNDLED.lstrip("/")
        for source, path in python_files(versions):
            _add(archive, f"{bundle}/{path}", source.read_bytes(), 0o755 if source.stat().st_mode & 0o100 else 0o644)


def _add(archive: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
