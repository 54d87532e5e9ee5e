"""How to reach a host: a target completed from `~/.ssh/config`, as `ssh` would.

Of ssh_config(5): HostName, Port, User, IdentityFile, IdentitiesOnly, IdentityAgent none, UserKnownHostsFile,
GlobalKnownHostsFile, HostKeyAlias, ProxyCommand, ProxyJump, ConnectTimeout; paramiko reads Host and Match.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import paramiko

from testbed.errors import ConfigError
from testbed.labs.ssh.target import Target

USER_CONFIG = Path("~/.ssh/config")
SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_PORT = 22
_CONNECT_S = 15.0


@dataclass(frozen=True)
class Address:
    """How to reach a host: `alias` is its name in the configuration, `known_as` its name in known_hosts.

    `identities_only`: no keys but `identities`, from wherever. `known_hosts` are files, missing ones too.
    """

    alias: str
    hostname: str
    port: int
    user: str
    known_as: str
    identities: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: bool = True
    known_hosts: tuple[Path, ...] = ()
    proxy_command: str = ""
    proxy_jump: tuple[str, ...] = ()
    connect_s: float = _CONNECT_S

    def __str__(self) -> str:
        return f"{self.user}@{self.hostname}" + (f":{self.port}" if self.port != _PORT else "")


def read_configuration(user: Path | None = None, system: Path = SYSTEM_CONFIG) -> str:
    """The user's and the system's configuration, the user's first; raises `ConfigError` for one that cannot be read."""
    text = ""
    for path in (user or USER_CONFIG.expanduser(), system):
        try:
            # A Host or Match block ends with its file.
            text += path.read_text(encoding="utf-8", errors="replace") + "\nHost *\n"
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(path, None, f"cannot be read: {error.strerror}") from error
    return text


def resolve(target: Target, configuration: str) -> Address:
    """The address of a target; what the spec says wins over the configuration's text. Raises `ConfigError`."""
    # The first value counts, and ProxyCommand has the port and the user in it.
    said = f"Host *\n  Port {target.port}\n" if target.port else "Host *\n"
    said += f"  User {target.user}\n" if target.user else ""
    try:
        found = cast(
            "Mapping[str, str | list[str]]",
            paramiko.SSHConfig.from_text(f"{said}\nHost *\n{configuration}").lookup(target.host),
        )
    except (paramiko.SSHException, ImportError) as error:  # Match exec wants a library
        raise ConfigError(USER_CONFIG, None, f"host {target.host}: {error}") from error

    def one(key: str, default: str = "") -> str:
        value = found.get(key, default)
        return value if isinstance(value, str) else value[0]

    port = _number("port", one("port", str(_PORT)))
    hostname = one("hostname", target.host)
    name = one("hostkeyalias", hostname)
    jumps = [jump.strip() for jump in one("proxyjump").split(",")]
    known = f"{one('userknownhostsfile', '~/.ssh/known_hosts ~/.ssh/known_hosts2')} " + one(
        "globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
    )
    identities = found.get("identityfile", [])
    return Address(
        alias=target.host,
        hostname=hostname,
        port=port,
        user=one("user", getpass.getuser()),
        known_as=name if port == _PORT or "hostkeyalias" in found else f"[{name}]:{port}",
        identities=tuple(Path(path).expanduser() for path in identities),
        identities_only=one("identitiesonly") == "yes",
        agent=one("identityagent") != "none",
        known_hosts=tuple(Path(path).expanduser() for path in known.split() if path != "none"),
        proxy_command="" if one("proxycommand") == "none" else one("proxycommand"),
        proxy_jump=tuple(jump for jump in jumps if jump and jump != "none"),
        connect_s=float(_number("connecttimeout", one("connecttimeout"))) if "connecttimeout" in found else _CONNECT_S,
    )


def _number(key: str, text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ConfigError(USER_CONFIG, None, f"{key} {text!r} is not a number")
    return int(text)
