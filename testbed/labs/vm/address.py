"""How to reach the lab VM: a port of the loopback, the image's own key, and the one host key that is right."""

from __future__ import annotations

from pathlib import Path

from testbed.labs.ssh.address import Address
from testbed.labs.vm.root_files import HOST_NAME
from testbed.labs.vm.state import LOOPBACK, State

OWNED = "vm"
"""What the records of the ssh lab's owners call the machine (`testbed.labs.ssh.owner`): its port changes."""

USER = "root"


def address(state: State, port: int) -> Address:
    """The machine's address for the ssh lab."""
    return Address(
        alias=HOST_NAME,
        hostname=LOOPBACK,
        port=port,
        user=USER,
        known_as=HOST_NAME,
        identities=(state.image / "id_ed25519",),
        identities_only=True,
        agent="none",
        known_hosts=(state.image / "known_hosts",),
    )


def ssh_command(state: State, port: int) -> list[str]:
    """OpenSSH's command line to the machine; nothing of the user's configuration counts."""
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{_literal(state.image / "known_hosts")}"',
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": HOST_NAME,
        "StrictHostKeyChecking": "yes",
        "PasswordAuthentication": "no",
        "LogLevel": "ERROR",
    }
    argv = ["ssh", "-F", "none", "-i", _literal(state.image / "id_ed25519"), "-p", str(port), "-l", USER]
    for name, value in options.items():
        argv += ["-o", f"{name}={value}"]
    return [*argv, LOOPBACK]


def _literal(path: Path) -> str:
    """A path as OpenSSH takes it, who has a meaning for % (ssh_config(5), TOKENS)."""
    return str(path).replace("%", "%%")
