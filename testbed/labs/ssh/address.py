"""How to reach a host: a target completed by what OpenSSH reads in its configuration (`testbed.labs.ssh.openssh`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from testbed.base.errors import UsageError
from testbed.base.text import plain
from testbed.labs.ssh import openssh, tokens
from testbed.labs.ssh.openssh import Configuration
from testbed.labs.ssh.target import Target

AGENT_OF_THE_SESSION = "SSH_AUTH_SOCK"
Checking = Literal["yes", "accept-new", "no"]

_PORT = 22
_CONNECT_S = 15.0
_STRICT: dict[str, Checking] = {"accept-new": "accept-new", "false": "no", "no": "no", "off": "no"}

# Which of them is tried if nothing names a file depends on OpenSSH's version; these two always are.
_DEFAULT_KEYS = {"~/.ssh/id_rsa", "~/.ssh/id_ed25519"}


@dataclass(frozen=True)
class Algorithms:
    """The algorithms that may be used, in this order of preference; none named: all that paramiko has."""

    kex: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()
    user_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Address:
    """How to reach a host: `alias` is its name in the configuration, `known_as` its name in known_hosts.

    `identities_only`: no keys but `identities`, from wherever; `named` says that somebody has named these files.
    `agent` is a socket's path, the name of a variable that has it after `$`, `SSH_AUTH_SOCK`, or `none`.
    `known_hosts` are files, missing ones too; what is learnt goes into the first. `otherwise_known_as` are names that
    vouch for it if `known_as` has no key. A proxy command is for a shell, its tokens are expanded.
    """

    alias: str
    hostname: str
    port: int
    user: str
    known_as: str
    identities: tuple[Path, ...] = ()
    certificates: tuple[Path, ...] = ()
    named: bool = True
    identities_only: bool = False
    agent: str = AGENT_OF_THE_SESSION
    uses_keys: bool = True
    pkcs11: str = ""
    known_hosts: tuple[Path, ...] = ()
    otherwise_known_as: tuple[str, ...] = ()
    revoked_keys: Path | None = None
    checking: Checking = "yes"
    checks_ip: bool = False
    trusts_loopback: bool = False
    hashes_names: bool = False
    least_rsa_bits: int = 0
    proxy_command: str = ""
    passes_socket: bool = False
    proxy_jump: tuple[str, ...] = ()
    family: Literal["any", "inet", "inet6"] = "any"
    bind_address: str = ""
    bind_interface: str = ""
    attempts: int = 1
    connect_s: float = _CONNECT_S
    algorithms: Algorithms = Algorithms()

    def __str__(self) -> str:
        return f"{self.user}@{self.hostname}" + (f":{self.port}" if self.port != _PORT else "")


def resolve(target: Target) -> Address:
    """The address of a target; what the spec says wins over the configuration.

    Raises `ConfigError`, `UsageError` and `PrerequisiteError` (see `openssh.configuration`).
    """
    return _address(target, openssh.configuration(target.host, target.user, target.port))


def _address(target: Target, found: Configuration) -> Address:
    def one(key: str, default: str = "") -> str:
        return found.get(key, [default])[0]

    def is_on(key: str) -> bool:
        return one(key) in ("yes", "true")

    def option(key: str) -> str:
        return "" if one(key) == "none" else one(key)

    def number(key: str, default: int, least: int, most: int = 1 << 31) -> int:
        said = one(key, str(default))
        if not said.isdecimal() or len(said) > 10 or not least <= int(said) <= most:
            raise UsageError(
                f"host {target.host}: OpenSSH says {key} {plain(said)[:100]}, which cannot be used",
                hint=f"so says OpenSSH: ssh -G {target.host}",
            )
        return int(said)

    def path(text: str) -> Path:
        return openssh.expanded(text, target.host, user, port)

    port, hostname, user = number("port", _PORT, 1, 65535), one("hostname", target.host), one("user", target.user or "")
    alias = option("hostkeyalias")
    values = {"h": hostname, "k": alias or target.host, "n": target.host, "p": str(port), "r": user}
    jumps = tokens.expand(option("proxyjump"), "ProxyJump", values)
    identities = [each for each in found.get("identityfile", []) if each != "none"]
    with_port = port != _PORT and not alias
    return Address(
        alias=target.host,
        hostname=hostname,
        port=port,
        user=user,
        known_as=f"[{hostname}]:{port}" if with_port else alias or hostname,
        identities=tuple(map(path, identities)),
        certificates=tuple(path(each) for each in found.get("certificatefile", []) if each != "none"),
        named=not set(identities) >= _DEFAULT_KEYS,
        identities_only=is_on("identitiesonly"),
        agent=one("identityagent", AGENT_OF_THE_SESSION),
        uses_keys=one("pubkeyauthentication", "yes") not in ("no", "false")
        and "publickey" in one("preferredauthentications", "publickey").split(","),
        pkcs11=option("pkcs11provider"),
        known_hosts=tuple(
            Path(each) for key in ("userknownhostsfile", "globalknownhostsfile") for each in _paths(option(key))
        ),
        otherwise_known_as=(hostname,) if with_port else (),
        revoked_keys=path(option("revokedhostkeys")) if option("revokedhostkeys") else None,
        checking=_STRICT.get(one("stricthostkeychecking"), "yes"),
        checks_ip=is_on("checkhostip"),
        trusts_loopback=is_on("nohostauthenticationforlocalhost"),
        hashes_names=is_on("hashknownhosts"),
        least_rsa_bits=number("requiredrsasize", 0, 0),
        proxy_command=tokens.expand(option("proxycommand"), "ProxyCommand", values),
        passes_socket=is_on("proxyusefdpass"),
        proxy_jump=tuple(jump.strip() for jump in jumps.split(",") if jump.strip()),
        family=_family(one("addressfamily")),
        bind_address=option("bindaddress"),
        bind_interface=option("bindinterface"),
        attempts=number("connectionattempts", 1, 1),
        connect_s=float(number("connecttimeout", 0, 0) if option("connecttimeout") else 0) or _CONNECT_S,
        algorithms=Algorithms(
            *(
                tuple(one(key).split(",")) if one(key) else ()
                for key in ("kexalgorithms", "ciphers", "macs", "hostkeyalgorithms", "pubkeyacceptedalgorithms")
            )
        ),
    )


def _family(text: str) -> Literal["any", "inet", "inet6"]:
    return "inet" if text == "inet" else "inet6" if text == "inet6" else "any"


def _paths(text: str) -> Iterable[str]:
    """The files of a list that `ssh -G` prints without quotes: a name with spaces in it is one if the file exists.

    pathlib's `exists` raises for a name that is too long.
    """
    words = text.split(" ") if text else []
    while words:
        count = next((n for n in range(len(words), 1, -1) if os.path.exists(" ".join(words[:n]))), 1)  # noqa: PTH110
        if name := " ".join(words[:count]):
            yield name
        words = words[count:]
