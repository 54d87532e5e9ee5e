"""The same configuration given to `ssh` and to the lab, with a real sshd: who gets in and who does not is the same."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ssh_host import Host

from testbed.base.errors import TestbedError
from testbed.labs.ssh.address import resolve
from testbed.labs.ssh.handshake import connect
from testbed.labs.ssh.target import parse

NOTHING, OTHER = "", "127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvYdhNwNs1P+IZhvHWqpJtTKSk3fO+jq4h+eAAQCK1z\n"
CHANGED = "[127.0.0.1]:{port} " + OTHER.partition(" ")[2]


@dataclass
class Both:
    """The two programs, and their files: `config` and `known` are written anew for each, `home` has a user's keys."""

    host: Host
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def known(self) -> Path:
        return self.folder / "known_hosts"

    def line(self, name: str = "") -> str:
        return f"{name or f'[127.0.0.1]:{self.host.port}'} {self.host.host_key}\n"

    def write(self, text: str, known: str) -> None:
        words = {"port": self.host.port, "key": self.host.user_key, "known": self.known, "dir": self.folder}
        head = f"Host *\n  IdentityFile {self.host.user_key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {self.known}\n"
        where = f"Host far plain\n  HostName 127.0.0.1\n  Port {self.host.port}\n"
        config = self.folder / "config"
        config.write_text("Host far\n" + text.format(**words) + "\n" + where + head)
        config.chmod(0o600)
        self.known.write_text(known)

    def ssh(self) -> bool:
        argv = ["ssh", "-F", self.folder / "config", "-o", "BatchMode=yes", "-o", "RemoteCommand=none", "far", "true"]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode == 0

    def lab(self) -> bool:
        """Whether the lab gets in; its words are in `said`."""
        self.said.clear()
        try:
            connection = connect(resolve(parse("far")), self.said.append)
        except TestbedError as error:
            self.said.append(str(error))
            assert "\n" not in str(error)
            return False
        try:
            return connection.run("echo hi").stdout == b"hi\n"
        finally:
            connection.close()

    def agree(self, text: str, known: str) -> bool:
        """What both say of a configuration and a known_hosts file."""
        self.write(text, known)
        theirs = self.ssh()
        self.write(text, known)
        assert self.lab() == theirs, self.said
        return theirs
