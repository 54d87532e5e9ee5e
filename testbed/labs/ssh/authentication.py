"""Who we are: the keys of the configuration and of the agent, tried in ssh's order. No passwords are asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from testbed.errors import LabError
from testbed.labs.ssh.address import Address

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_AGENT_S = 5.0


class AuthenticationRefused(LabError):
    """The host takes none of our keys."""


@dataclass
class _Wallet:
    """The keys that there are, and remarks on those that cannot be used."""

    remarks: list[str] = field(default_factory=list)

    def keys(self, address: Address) -> Iterator[paramiko.PKey]:
        """Every key to try, those of the agent first."""
        files = address.identities or tuple(Path(name).expanduser() for name in DEFAULT_KEYS)
        agent_keys = self._agent_keys() if address.agent else ()
        if address.identities_only:
            public = {_public(path) for path in files}
            agent_keys = tuple(key for key in agent_keys if key.get_base64() in public)
        yield from agent_keys
        seen = {key.get_base64() for key in agent_keys}
        for path in files:
            key = self._load(path, named=bool(address.identities))
            if key is not None and key.get_base64() not in seen:
                yield key

    def _agent_keys(self) -> tuple[paramiko.PKey, ...]:
        """The agent's keys; none, and a remark, from an agent that is gone or does not answer."""
        socket = os.environ.get("SSH_AUTH_SOCK")
        if not socket:
            return ()
        found: list[tuple[paramiko.PKey, ...]] = []

        def ask() -> None:
            agent = paramiko.Agent()
            # paramiko takes an agent that is gone for one without keys.
            if getattr(agent, "_conn", None) is not None:
                found.append(agent.get_keys())

        def ask_quietly() -> None:
            try:
                ask()
            except (OSError, EOFError, paramiko.SSHException):
                return

        thread = threading.Thread(target=ask_quietly, name="ssh-agent", daemon=True)
        thread.start()
        thread.join(_AGENT_S)
        if not found:
            self.remarks.append(f"the agent at {socket} does not answer")
            return ()
        if not found[0]:
            self.remarks.append("the agent has no keys")
        return found[0]

    def _load(self, path: Path, *, named: bool) -> paramiko.PKey | None:
        try:
            return paramiko.PKey.from_path(path)
        except FileNotFoundError:
            if named:
                self.remarks.append(f"{path} does not exist")
        except TypeError:  # cryptography's way to ask for a passphrase
            self.remarks.append(f"{path} has a passphrase: ssh-add {path}")
        except (OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
            self.remarks.append(f"{path} cannot be used: {error or type(error).__name__}")
        return None


def _public(path: Path) -> str:
    """The public half of a key file (base64), as `ssh` looks for it; empty if there is none."""
    try:
        return path.with_name(f"{path.name}.pub").read_text(encoding="utf-8").split()[1]
    except (OSError, IndexError, UnicodeDecodeError):
        return ""


def authenticate(transport: paramiko.Transport, address: Address) -> None:
    """Log in with the first key that the host takes.

    Raises `AuthenticationRefused` with what may be the reason; `paramiko.SSHException`, EOFError and OSError when the
    connection breaks.
    """
    wallet = _Wallet()
    tried = 0
    for key in wallet.keys(address):
        tried += 1
        try:
            if not transport.auth_publickey(address.user, key):
                return
            wallet.remarks.append("it wants a password after the key")
        except paramiko.BadAuthenticationType as error:
            raise AuthenticationRefused(f"{address}: it takes no keys, but {', '.join(error.allowed_types)}") from error
        except paramiko.AuthenticationException as error:
            # An agent that has died while it signs, or a time-out, is not the key's fault.
            if str(error) and "failed" not in str(error).lower():
                wallet.remarks.append(str(error).rstrip(".").lower())
        except paramiko.SSHException as error:
            if not transport.is_active():
                # The server hangs up after too many keys (MaxAuthTries).
                raise AuthenticationRefused(
                    f"{address}: it hung up after {tried} keys: {error}",
                    hint="name the key in ~/.ssh/config: IdentityFile, IdentitiesOnly yes",
                ) from error
            wallet.remarks.append(str(error))
    offered = f"none of our {tried} keys is accepted" if tried else "there is no key to offer"
    remarks = f" ({'; '.join(dict.fromkeys(wallet.remarks))})" if wallet.remarks else ""
    raise AuthenticationRefused(f"{address}: {offered}{remarks}", hint=f"try: ssh {address.alias} true")
