"""Made-up OpenSSH configurations and known hosts: some hundreds, as OpenSSH reads them, a process for each input.

No `Match exec` is among them: OpenSSH would run it.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from harness import fuzz
from mutators import ODD_TEXTS, mutate_text

from testbed.labs.ssh import openssh
from testbed.labs.ssh.address import Address, resolve
from testbed.labs.ssh.target import parse

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
CONFIGURATION = """Host box
  HostName 192.0.2.1 # lab
  Port 2022
  User me
  IdentityFile ~/.ssh/id_%h
  ProxyJump a@b:22,c
  StrictHostKeyChecking accept-new
  UserKnownHostsFile /dev/null "/a b"
  ConnectTimeout 1m
Host *
  IdentitiesOnly true
  HostKeyAlias "x y"
"""
KNOWN = f"""[box]:2022 ssh-ed25519 {KEY}
box,192.0.2.1 ssh-ed25519 {KEY}
@revoked * ssh-ed25519 {KEY}
|1|xx|yy ssh-rsa {KEY}
"""


def text_of(chance: Random, good: str) -> bytes:
    return mutate_text(chance, good, ODD_TEXTS).replace("exec", "").encode(errors="surrogatepass")


def test_configurations() -> None:
    def read(folder: Path, content: bytes) -> Address:
        (folder / "config").write_bytes(content)
        os.environ[openssh.CONFIGURATION] = str(folder / "config")
        return resolve(parse("box"))

    def check(found: Address) -> None:
        assert 0 < found.port < 65536 and found.hostname and str(found)

    fuzz("ssh configuration", lambda chance: text_of(chance, CONFIGURATION), read, check=check, inputs=300)


def test_known_hosts() -> None:
    def read(folder: Path, content: bytes) -> object:
        (folder / "known_hosts").write_bytes(content)
        return openssh.known_lines("[box]:2022", folder / "known_hosts")

    fuzz("known_hosts", lambda chance: text_of(chance, KNOWN), read, inputs=300)
