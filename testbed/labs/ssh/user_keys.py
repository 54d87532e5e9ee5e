"""The keys that a host is offered, in OpenSSH's order, and remarks on those that cannot be used.

First the agent's keys that an identity file names, then its others, then the files; each after its certificates.
Source: ssh_config(5), IdentityFile, CertificateFile, IdentitiesOnly and IdentityAgent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from testbed.labs.ssh import agent, openssh
from testbed.labs.ssh.address import Address

RSA = ("rsa-sha2-512", "rsa-sha2-256")
"""What an RSA key may sign with (RFC 8332)."""


@dataclass
class UserKeys:
    """The keys for an address; `remarks` grow while they are looked at."""

    address: Address
    remarks: list[str] = field(default_factory=list)

    def offers(self) -> Iterator[paramiko.PKey]:
        """Every key to try."""
        files = self.address.identities
        wanted = {path: openssh.fingerprint(path) for path in files}
        held = self._agent_keys()
        named = [key for print_ in wanted.values() for key in held if key.fingerprint == print_]
        others = [] if self.address.identities_only else [key for key in held if key not in named]
        certificates = self._certificates()
        for key in (*named, *others):
            yield from self._with_certificates(key, certificates)
        for path in files:
            if any(key.fingerprint == wanted[path] for key in named):
                continue
            loaded = self._load(path)
            if loaded is not None:
                yield from self._with_certificates(loaded, certificates)

    def _agent_keys(self) -> tuple[paramiko.PKey, ...]:
        try:
            return agent.keys(self.address.agent)
        except agent.AgentUnavailable as error:
            self.remarks.append(str(error))
            return ()

    def _certificates(self) -> dict[Path, str]:
        """The certificates that there are, and the fingerprint of the key that each is for."""
        beside = [path.with_name(f"{path.name}-cert.pub") for path in self.address.identities]
        found = {path: openssh.certified_fingerprint(path) for path in (*self.address.certificates, *beside)}
        self.remarks += [f"{path} is no certificate" for path in self.address.certificates if not found[path]]
        return {path: print_ for path, print_ in found.items() if print_}

    def _with_certificates(self, key: paramiko.PKey, certificates: dict[Path, str]) -> Iterator[paramiko.PKey]:
        for path, print_ in certificates.items():
            if print_ == key.fingerprint:
                try:
                    key.load_certificate(str(path))
                except (OSError, ValueError, paramiko.SSHException) as error:
                    self.remarks.append(f"{path} cannot be used: {error}")
                else:
                    yield from self._allowed(key, f"{key.get_name()}-cert-v01@openssh.com")
                    key.public_blob = None
        yield from self._allowed(key, key.get_name())

    def _allowed(self, key: paramiko.PKey, kind: str) -> Iterator[paramiko.PKey]:
        """The key, unless PubkeyAcceptedAlgorithms is against its kind."""
        allowed = self.address.algorithms.user_keys
        suffix = "-cert-v01@openssh.com" if "-cert-v01@" in kind else ""
        names = [f"{name}{suffix}" for name in RSA] if kind.startswith("ssh-rsa") else [kind]
        if not allowed or any(name in allowed for name in names):
            yield key
        else:
            self.remarks.append(f"PubkeyAcceptedAlgorithms has no {kind}")

    def _load(self, path: Path) -> paramiko.PKey | None:
        try:
            return paramiko.PKey.from_path(path)
        except FileNotFoundError:
            if self.address.named:
                self.remarks.append(f"{path} does not exist")
        except TypeError:  # cryptography's way to ask for a passphrase
            self.remarks.append(f"{path} has a passphrase: ssh-add {path}")
        except (OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
            if _is_public(path):
                self.remarks.append(f"{path} is a public key, whose private half no agent has")
            else:
                self.remarks.append(f"{path} cannot be used: {error or type(error).__name__}")
        return None


def _is_public(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16).startswith((b"ssh-", b"ecdsa-", b"sk-"))
    except OSError:
        return False
