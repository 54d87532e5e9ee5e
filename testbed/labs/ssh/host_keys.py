"""Is it the machine that it was? Host keys against known_hosts, as strictly as StrictHostKeyChecking says.

`yes` and `ask` are one here: nobody is asked, so an unknown key is refused with the line that makes it known.
`accept-new` and `no` write what is new into the user's file, as OpenSSH does, and say so.
Source: ssh_config(5), StrictHostKeyChecking; sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from testbed.base.errors import LabError
from testbed.labs.ssh import openssh
from testbed.labs.ssh.address import Address

Report = Callable[[str], None]


class HostKeyRefused(LabError):
    """The host's key is unknown, another one than before, or revoked: no connection."""


@dataclass(frozen=True)
class KnownKey:
    """A key that a file has for a host: type and base64, the marker of its line, and the file."""

    kind: str
    text: str
    marker: str
    path: Path


def load(address: Address) -> list[KnownKey]:
    """The keys that the files have for the host."""
    return _load(address, address.known_as)


def _load(address: Address, name: str) -> list[KnownKey]:
    found = []
    for path in address.known_hosts:
        for words in openssh.known_lines(name, path):
            marker = words.pop(0) if words[0].startswith("@") else ""
            if len(words) >= 3 and _is_key(words[1], words[2]):
                found.append(KnownKey(words[1], words[2], marker, path))
    return found


def _is_key(kind: str, text: str) -> bool:
    """Whether the text is the public half of a key of this type (RFC 4253 section 6.6)."""
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    name = kind.encode()
    return blob.startswith(len(name).to_bytes(4, "big") + name) and len(blob) > len(name) + 4


def algorithms(known: Sequence[KnownKey], offered: tuple[str, ...]) -> tuple[str, ...]:
    """The host key algorithms to ask for: those of the keys that are known first, for a host has several keys."""
    kinds = {key.kind for key in known if not key.marker}
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    return tuple(sorted(offered, key=lambda name: name not in kinds))  # the sort is stable


def check(
    key: paramiko.PKey,
    address: Address,
    known: Sequence[KnownKey],
    *,
    peer: str = "",
    report: Report = lambda _what: None,
) -> None:
    """Raise `HostKeyRefused` unless this is the host's known key, or the configuration does not want it checked.

    `peer` is the numeric address of a direct connection. What is let through unchecked is reported.
    """
    print_ = f"{key.get_name()} {key.fingerprint}"
    if key.get_name() == "ssh-rsa" and key.get_bits() < address.least_rsa_bits:
        raise HostKeyRefused(
            f"{address}: its RSA host key has {key.get_bits()} bits, RequiredRSASize is {address.least_rsa_bits}",
            hint="give it a longer key",
        )
    _refuse_revoked(key, address, print_)
    if address.trusts_loopback and _is_loopback(peer):
        return
    problem = _problem(key, address, known, print_) or _problem_of_ip(key, address, peer, print_)
    if problem is None:
        return
    is_new = isinstance(problem, _Unknown)
    if address.checking == "yes" or (address.checking == "accept-new" and not is_new):
        raise problem
    kept = _remember(key, address) if is_new else None
    if address.checking == "accept-new" and kept:
        report(f"{address}: its host key is new, and now in {kept}: {print_}")
    else:
        report(f"{address}: its host key is not checked (StrictHostKeyChecking {address.checking}): {print_}")


class _Unknown(HostKeyRefused):
    """No file has a key of this kind for the host."""


def _problem(
    key: paramiko.PKey, address: Address, known: Sequence[KnownKey], print_: str, *, is_last: bool = False
) -> HostKeyRefused | None:
    """What is wrong with the key; None if it is known."""
    text = key.get_base64()
    if any(each.text == text and each.marker == "@revoked" for each in known):
        return HostKeyRefused(f"{address}: its host key {print_} is revoked in known_hosts")
    plain = [each for each in known if not each.marker and each.kind == key.get_name()]
    if any(each.text == text for each in plain):
        return None
    if plain:
        path = plain[0].path
        return HostKeyRefused(
            f"{address}: its host key has changed, it may be another machine: now {print_}",
            hint=f"if the machine was made anew, run: ssh-keygen -R {shlex.quote(address.known_as)} "
            f"-f {shlex.quote(str(path))}, and add the new key",
        )
    for name in () if is_last else address.otherwise_known_as:
        if _problem(key, address, _load(address, name), print_, is_last=True) is None:
            return None
    others = " (a certificate authority vouches for it, which is not understood here)"
    is_certified = any(each.marker == "@cert-authority" for each in known)
    return _Unknown(
        f"{address}: its host key is not known: {print_}{others if is_certified else ''}", hint=_cure(key, address)
    )


def _cure(key: paramiko.PKey, address: Address) -> str:
    path = _users_file(address)
    if path is None:
        return "name a UserKnownHostsFile in the SSH configuration"
    line = shlex.quote(f"{address.known_as} {key.get_name()} {key.get_base64()}")
    make = "" if path.parent.is_dir() else f"mkdir -p -m 700 {shlex.quote(str(path.parent))} && "
    return f"if that is the machine's key, run: {make}echo {line} >> {shlex.quote(str(path))}"


def _users_file(address: Address) -> Path | None:
    """The file that learns of new keys; None if what is written there is lost."""
    path = next(iter(address.known_hosts), None)
    return None if path is None or path == Path(os.devnull) else path


def _problem_of_ip(key: paramiko.PKey, address: Address, peer: str, print_: str) -> HostKeyRefused | None:
    """What CheckHostIP finds: another key for the numeric address, if that is not this machine's own."""
    if not (address.checks_ip and peer) or address.hostname == peer or _is_loopback(peer):
        return None
    name = f"[{peer}]:{address.port}" if address.port != 22 else peer
    known = [each for each in _load(address, name) if not each.marker and each.kind == key.get_name()]
    if not known or any(each.text == key.get_base64() for each in known):
        return None
    return HostKeyRefused(
        f"{address}: another machine may be in its place: known_hosts has another key for {peer} than {print_}",
        hint=f"if that is so no more, run: ssh-keygen -R {shlex.quote(name)} -f {shlex.quote(str(known[0].path))}",
    )


def _refuse_revoked(key: paramiko.PKey, address: Address, print_: str) -> None:
    """RevokedHostKeys: a key in the file is good for nothing, and without the file no key is good."""
    path = address.revoked_keys
    if path is None:
        return
    try:
        is_revoked = openssh.is_revoked(f"{key.get_name()} {key.get_base64()}", path)
    except OSError as error:
        raise HostKeyRefused(
            f"{address}: {path}, which RevokedHostKeys names: {error.strerror}", hint="mend the file or the option"
        ) from error
    if is_revoked:
        raise HostKeyRefused(f"{address}: its host key {print_} is revoked in {path}")


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _remember(key: paramiko.PKey, address: Address) -> Path | None:
    """Add the key to the user's file; None if it cannot be kept. It is appended: other programs write there too."""
    path = _users_file(address)
    if path is None:
        return None
    name = address.known_as.lower()  # as OpenSSH looks for it; patterns and names do not care, hashes do
    if address.hashes_names:
        name = paramiko.HostKeys.hash_host(name)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            gap = "" if file.read(1) in (b"", b"\n") else "\n"
            file.write(f"{gap}{name} {key.get_name()} {key.get_base64()}\n".encode())
    except OSError:
        return None
    return path
