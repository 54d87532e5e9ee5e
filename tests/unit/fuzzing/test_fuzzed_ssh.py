"""Made-up OpenSSH configurations and known hosts: some hundreds, as OpenSSH reads them, a process for each input.

No `Match exec` is among them: OpenSSH would run it.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from harness import fuzz
from mutators import ODD_TEXTS, mutate_json, mutate_text

from testbed.base.text import parse_json
from testbed.labs.ssh import openssh
from testbed.labs.ssh.address import Address, _address, resolve
from testbed.labs.ssh.contents import Contents, parse_contents
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
# What `ssh -G` of OpenSSH 9.2 prints, in part; without tokens that only another ssh could expand.
PRINTED = """host box
user me
hostname 192.0.2.1
port 2022
addressfamily any
identitiesonly yes
stricthostkeychecking accept-new
connectionattempts 1
connecttimeout 60
requiredrsasize 1024
checkhostip no
hostkeyalias x y
identityfile ~/.ssh/id_box
certificatefile none
proxyjump a@b:22,c
proxycommand nc -X 5 %h %p
userknownhostsfile /dev/null /a b
globalknownhostsfile /etc/ssh/ssh_known_hosts
kexalgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256
ciphers aes128-ctr
identityagent SSH_AUTH_SOCK
revokedhostkeys none"""
RESULTS = {
    "directories": ["guest", "points/a"],
    "files": [["guest/stdout", 12, "ab" * 32, 0o644], ["points/a/ab.txt", 0, "cd" * 32, 0o755]],
    "links": [["latest", "points/a"]],
}


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


def test_what_openssh_says_of_a_host() -> None:
    """Other releases print other words, and a proxy's tokens are the configuration's: each is a value or an error."""

    def make(chance: Random) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in mutate_text(chance, PRINTED, ODD_TEXTS).split("\n"):
            key, _, value = line.partition(" ")
            found.setdefault(key.lower(), []).append(value)
        return found

    def read(_folder: Path, given: dict[str, list[str]]) -> Address:
        return _address(parse("box"), given)

    def check(found: Address) -> None:
        assert 0 < found.port < 65536 and found.connect_s > 0 and found.attempts > 0 and str(found)

    fuzz("ssh -G", make, read, check=check, inputs=20_000, most_s=30.0)


def test_lists_of_results() -> None:
    """What another machine says that it has: no name in it leads out of the output, and no size is below nothing."""

    def read(_folder: Path, given: bytes) -> Contents:
        try:
            said = parse_json(given)
        except ValueError:
            return Contents((), (), ())
        return parse_contents(said, "lab1")

    def check(found: Contents) -> None:
        names = [*found.directories, *(each.name for each in found.files), *(name for name, _ in found.links)]
        assert all(name and not name.startswith("/") and ".." not in name.split("/") for name in names)
        assert all("\0" not in name for name in names) and all(each.size >= 0 for each in found.files)

    fuzz("lists of results", lambda chance: mutate_json(chance, RESULTS), read, check=check, inputs=50_000)
