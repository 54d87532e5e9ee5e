"""A user on this side: a home with keys and a configuration, a cache, a working directory, the command line."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ssh_host import Host

from testbed.kernel.cache import default_cache

REPOSITORY = Path(__file__).parents[3]
TESTBED = REPOSITORY / ".venv" / "bin" / "testbed"


@dataclass
class Here:
    """A user here: a home with an SSH configuration, a cache, a working directory."""

    home: Path
    work: Path
    environment: dict[str, str]

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    def configure(self, host: Host, port: int, **options: str) -> None:
        """Write the SSH configuration: the host is called `far`.

        OpenSSH looks for it in the home of the user database, whatever HOME is; so it is named.
        """
        ssh = self.home / ".ssh"
        self.environment["TESTBED_SSH_CONFIG"] = str(ssh / "config")
        ssh.mkdir(mode=0o700, exist_ok=True)
        (ssh / "known_hosts").write_text(f"[127.0.0.1]:{port} {host.host_key}\n")
        wanted = {"HostName": "127.0.0.1", "Port": str(port), "IdentityFile": f'"{host.user_key}"'}
        wanted |= {"UserKnownHostsFile": str(ssh / "known_hosts"), **options}
        (ssh / "config").write_text("Host far\n" + "".join(f"  {key} {value}\n" for key, value in wanted.items()))

    def testbed(self, *args: str, **more: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [TESTBED, *args],
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **more,  # type: ignore[call-overload]
        )
        assert isinstance(done, subprocess.CompletedProcess)
        return done

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [TESTBED, *args],
            cwd=self.work,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def a_user(directory: Path) -> Here:
    home, work = directory / "home", directory / "work"
    for each in (home, work, home / "cache", home / "tmp"):
        each.mkdir(parents=True)
    real = default_cache()
    for name in ("kernels", "downloads"):
        (home / "cache" / name).symlink_to(real.root / name)
    environment = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
    return Here(
        home,
        work,
        {**environment, "HOME": str(home), "TESTBED_CACHE": str(home / "cache"), "TMPDIR": str(home / "tmp")},
    )


def commands_of(page: Path) -> list[str]:
    """The commands in the shell blocks of a page, continuation lines joined, comments gone."""
    text = "".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    lines = text.replace("\\\n", " ").splitlines()
    return [" ".join(line.partition(" #")[0].split()) for line in lines if line.strip()]
