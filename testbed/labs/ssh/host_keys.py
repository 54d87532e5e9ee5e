"""Is it the machine that it was? Host keys against known_hosts, as strictly as `ssh -o StrictHostKeyChecking=yes`.

Nothing is ever written: who a machine is, is for a person to say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from testbed.errors import ConfigError, LabError
from testbed.labs.ssh.address import Address


class HostKeyRefused(LabError):
    """The host's key is unknown, another one than before, or revoked: no connection."""


def load(address: Address) -> list[paramiko.PKey]:
    """The host's keys that the files have, without lines that cannot be understood, and without marked ones.

    So a host that only a certificate authority vouches for is unknown. Raises `ConfigError` for an unreadable file.
    """
    keys: list[paramiko.PKey] = []
    for path in address.known_hosts:
        for line in _lines(path):
            entry = None
            if not line.startswith("@"):
                with contextlib.suppress(paramiko.SSHException, InvalidHostKey):
                    entry = HostKeyEntry.from_line(line)
            if entry is not None:
                # One at a time: together, paramiko keeps one key of a kind, and a host may have several.
                for name in entry.hostnames:
                    single = paramiko.HostKeys()
                    single.add(name, entry.key.get_name(), entry.key)
                    keys += (single.lookup(address.known_as) or {}).values()
    return keys


def revoked(files: tuple[Path, ...]) -> set[str]:
    """The keys (base64) of `@revoked` lines: whatever host they name, they are good for none."""
    words = [line.split() for path in files for line in _lines(path)]
    return {line[3] for line in words if len(line) > 3 and line[0] == "@revoked"}


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(path, None, f"cannot be read: {error.strerror}") from error
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def algorithms(known: Sequence[paramiko.PKey], offered: tuple[str, ...]) -> tuple[str, ...]:
    """The host key algorithms to ask for: those of the keys that are known first, for a host has several keys."""
    kinds = {key.get_name() for key in known}
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    return tuple(sorted(offered, key=lambda name: name not in kinds))  # the sort is stable


def check(key: paramiko.PKey, address: Address, known: Sequence[paramiko.PKey]) -> None:
    """Raise `HostKeyRefused` unless this is the host's known key."""
    print_ = f"{key.get_name()} {key.fingerprint}"
    name = address.known_as
    user_file = address.known_hosts[0] if address.known_hosts else "known_hosts"
    if key.get_base64() in revoked(address.known_hosts):
        raise HostKeyRefused(f"{address}: its host key {print_} is revoked in known_hosts")
    if not known:
        port = f" -p {address.port}" if address.port != 22 else ""
        raise HostKeyRefused(
            f"{address}: its host key is not known: {print_}",
            hint=f"if that is the machine's key, run: ssh-keyscan{port} {address.hostname} >> {user_file}",
        )
    if any(entry.get_base64() == key.get_base64() for entry in known):
        return
    raise HostKeyRefused(
        f"{address}: its host key has changed, it may be another machine: now {print_}",
        hint=f"if the machine was made anew, run: ssh-keygen -R '{name}' -f {user_file}, and add the new key",
    )
