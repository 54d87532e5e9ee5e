"""What a configuration says of a host: OpenSSH is asked, and its answer understood."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.base.errors import ConfigError, PrerequisiteError, TestbedError, UsageError
from testbed.labs.ssh import address, handshake, openssh
from testbed.labs.ssh.address import Address
from testbed.labs.ssh.target import parse

HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)
Resolve = Callable[..., Address]


@pytest.fixture
def resolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """The address of a target with this text in the configuration."""
    config = tmp_path / "config"
    monkeypatch.setenv(openssh.CONFIGURATION, str(config))

    def resolved(text: str, configuration: str | bytes = "") -> Address:
        config.write_bytes(configuration if isinstance(configuration, bytes) else configuration.encode())
        return address.resolve(parse(text))

    return resolved


CONFIGURATION = """
Host box
  HostName box.example.org # where it is
  User researcher
  Port 2200 # the lab's
  IdentityFile ~/.ssh/lab_key
  IdentitiesOnly true
  UserKnownHostsFile /a/known /b/known
  GlobalKnownHostsFile none
  ProxyJump one,two
  ConnectTimeout 1m
Host aliased
  HostKeyAlias the-vm
  ProxyCommand nc %h %p
"""


def test_the_configuration_completes_a_target(resolve: Resolve) -> None:
    found = resolve("box", CONFIGURATION)
    assert (found.alias, found.hostname, found.port, found.user) == ("box", "box.example.org", 2200, "researcher")
    assert (found.known_as, found.otherwise_known_as) == ("[box.example.org]:2200", ("box.example.org",))
    assert (found.identities, found.identities_only, found.named) == ((HOME / ".ssh" / "lab_key",), True, True)
    assert found.known_hosts == (Path("/a/known"), Path("/b/known"))
    assert (found.proxy_jump, found.connect_s, found.checking) == (("one", "two"), 60.0, "yes")
    assert str(found) == "researcher@box.example.org:2200"


def test_what_the_spec_says_wins(resolve: Resolve) -> None:
    found = resolve("root@box:22", CONFIGURATION)
    assert (found.user, found.port, found.known_as) == ("root", 22, "box.example.org")
    assert str(found) == "root@box.example.org"


def test_an_alias_of_the_host_key_has_no_port(resolve: Resolve) -> None:
    found = resolve("aliased:2222", CONFIGURATION)
    assert (found.known_as, found.otherwise_known_as, found.proxy_command) == ("the-vm", (), "nc aliased 2222")


def test_without_a_configuration_everything_is_as_openssh_has_it(resolve: Resolve) -> None:
    found = resolve("Some.Where")
    assert (found.alias, found.hostname, found.port) == ("Some.Where", "some.where", 22)
    assert found.user == pwd.getpwuid(os.getuid()).pw_name and not found.named
    assert HOME / ".ssh" / "id_ed25519" in found.identities
    assert found.known_hosts[0] == HOME / ".ssh" / "known_hosts"
    assert (found.connect_s, found.agent, found.proxy_command, found.proxy_jump) == (15.0, "SSH_AUTH_SOCK", "", ())
    assert "ssh-ed25519" in found.algorithms.host_keys and "aes256-ctr" in found.algorithms.ciphers


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("Port=2022", "port", 2022),
        ("Port = 2022 # lab", "port", 2022),
        ("\tPORT\t2022\r", "port", 2022),
        ('HostName "192.0.2.1"', "hostname", "192.0.2.1"),
        ("HostName %h.example.org", "hostname", "x.example.org"),
        ("HostName FE80::1%%lo", "hostname", "FE80::1%lo"),
        ("ProxyCommand none", "proxy_command", ""),
        ("ProxyCommand sh -c 'nc %h %p' 2>/dev/null", "proxy_command", "sh -c 'nc x 22' 2>/dev/null"),
        ("ProxyCommand nc %n:%h:%p:%%h", "proxy_command", "nc x:x:22:%h"),
        ("User me@corp\n ProxyCommand a %r %k\n HostKeyAlias Vm", "proxy_command", "a me@corp vm"),
        ("ProxyJump none", "proxy_jump", ()),
        ("User me\n ProxyJump %r@gate-%n:23,[::1]:24", "proxy_jump", ("me@gate-x:23", "[::1]:24")),
        ("ProxyJump ssh://me@gate:23", "proxy_jump", ("me@gate:23",)),
        ("ConnectTimeout none", "connect_s", 15.0),
        ("ConnectTimeout 0", "connect_s", 15.0),
        ("ConnectTimeout 90", "connect_s", 90.0),
        ("ConnectTimeout 1h30m", "connect_s", 5400.0),
        ("ConnectionAttempts 3", "attempts", 3),
        ("IdentitiesOnly true", "identities_only", True),
        ("IdentitiesOnly yes", "identities_only", True),
        ("IdentitiesOnly no", "identities_only", False),
        ("IdentityFile none", "identities", ()),
        ("IdentityFile /a\n IdentityFile /b", "identities", (Path("/a"), Path("/b"))),
        ('IdentityFile "~/.ssh/my key"', "identities", (HOME / ".ssh/my key",)),
        ("IdentityFile %d/.ssh/%n_%h_%p_%%", "identities", (HOME / ".ssh/x_x_22_%",)),
        ("IdentityFile ${LAB_DIR}/k", "identities", (Path("/from the/environment/k"),)),
        ('IdentityFile "/a\'b %n"', "identities", (Path("/a'b x"),)),
        ("CertificateFile ~/c-%n.pub", "certificates", (HOME / "c-x.pub",)),
        ("IdentityAgent none", "agent", "none"),
        ("IdentityAgent SSH_AUTH_SOCK", "agent", "SSH_AUTH_SOCK"),
        ("IdentityAgent ~/agent-%n", "agent", str(HOME / "agent-x")),
        ("IdentityAgent $LAB_AGENT", "agent", "$LAB_AGENT"),
        ("StrictHostKeyChecking yes", "checking", "yes"),
        ("StrictHostKeyChecking ask", "checking", "yes"),
        ("StrictHostKeyChecking accept-new", "checking", "accept-new"),
        ("StrictHostKeyChecking no", "checking", "no"),
        ("StrictHostKeyChecking off", "checking", "no"),
        ("UserKnownHostsFile /dev/null\n GlobalKnownHostsFile none", "known_hosts", (Path("/dev/null"),)),
        ("UserKnownHostsFile none\n GlobalKnownHostsFile none", "known_hosts", ()),
        (
            "UserKnownHostsFile ~/k/%h ${LAB_KNOWN}\n GlobalKnownHostsFile /g",
            "known_hosts",
            (HOME / "k/x", Path("/k"), Path("/g")),
        ),
        ("RevokedHostKeys ~/revoked", "revoked_keys", HOME / "revoked"),
        ("RevokedHostKeys none", "revoked_keys", None),
        ("CheckHostIP yes", "checks_ip", True),
        ("HashKnownHosts yes", "hashes_names", True),
        ("AddressFamily inet6", "family", "inet6"),
        ("BindAddress 192.0.2.9", "bind_address", "192.0.2.9"),
        ("BindInterface eth9", "bind_interface", "eth9"),
        ("PubkeyAuthentication no", "uses_keys", False),
        ("PreferredAuthentications password,keyboard-interactive", "uses_keys", False),
        ("PreferredAuthentications gssapi-with-mic,publickey", "uses_keys", True),
        ("PKCS11Provider /p.so", "pkcs11", "/p.so"),
        ("ProxyUseFdpass yes", "passes_socket", True),
        ("Match originalhost x\n Port 7", "port", 7),
        ("Match host x,y user other\n Port 7", "port", 22),
        ("Match exec true\n Port 7", "port", 7),
        ('Match exec "test %n = x"\n Port 7', "port", 7),
        ("Match exec false\n Port 7", "port", 22),
        ("Match !host x\n Port 7", "port", 22),
        ("Match all\n Port 7", "port", 7),
        ("Match final all\n Port 7", "port", 7),
        ("Host y !x *\n Port 7", "port", 22),
        ("Port 7\nPort 8", "port", 7),
    ],
)
def test_each_option_is_read_as_openssh_reads_it(
    resolve: Resolve, monkeypatch: pytest.MonkeyPatch, text: str, key: str, value: object
) -> None:
    monkeypatch.setenv("LAB_DIR", "/from the/environment")
    monkeypatch.setenv("LAB_KNOWN", "/k")
    found = resolve("x", f"Host x\n {text}\n")
    if text.endswith(" # lab") and found.port == 22:
        pytest.skip("this OpenSSH has no comments at the end of a line")
    assert getattr(found, key) == value


def test_a_file_that_is_included_counts(resolve: Resolve, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one").write_bytes(b"Host box\r\n  Port 2022 # \xff\xfe\r\n")
    assert resolve("box", f"Include {tmp_path}/more/*\nHost *\n  Port 3\n").port == 2022


def test_names_with_spaces_in_a_list_of_files_are_told_by_the_files_that_there_are(
    resolve: Resolve, tmp_path: Path
) -> None:
    there = tmp_path / "a b" / "known hosts"
    there.parent.mkdir()
    there.touch()
    found = resolve("x", f'UserKnownHostsFile /one "{there}" /two\nGlobalKnownHostsFile none\n')
    assert found.known_hosts == (Path("/one"), there, Path("/two"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Port many", r"config:1: Bad number|config:1: .*[Bb]ad|config:1: .*port"),
        ("Port 0", r"config:1: "),
        ("Port 65536", r"config:1: "),
        ("\n\nNonsense yes", r"config:3: Bad configuration option: nonsense"),
        ('User "open', r"config:1: "),
        ("ConnectTimeout soon", r"config:1: "),
        ("StrictHostKeyChecking perhaps", r"config:1: "),
        ("ProxyJump ::1", r"config:1: "),
        ("Match nothing\n Port 7", r"config:1: |Bad|line 1"),
        ("Host *\n ProxyJump x", r"jumphost loop via x"),
        ("ProxyCommand nc %h %u", r"ProxyCommand 'nc %h %u': it has no token %u"),
        ("ProxyCommand nc %", r"it has no token %"),
        ("ProxyJump %u@gate", r"ProxyJump '%u@gate': it has no token %u"),
        ("IdentityFile ${LAB_NOWHERE}/x", r"LAB_NOWHERE"),
        ("IdentityFile ~/%z", r"unknown key %z|%z"),
    ],
)
def test_what_openssh_refuses_is_refused_in_its_words_and_one_line(resolve: Resolve, text: str, message: str) -> None:
    with pytest.raises((ConfigError, UsageError), match=message) as caught:
        resolve("x", text)
    assert "\n" not in str(caught.value) and caught.value.hint


def test_a_file_that_others_may_write_is_refused_with_the_cure() -> None:
    refused = openssh._refusal("box", "Bad owner or permissions on /home/me/.ssh/config\r\n")
    assert isinstance(refused, ConfigError)
    assert str(refused).startswith("/home/me/.ssh/config: Bad owner or permissions on /home/me/.ssh/config (run: chmod")


def test_a_missing_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(openssh.CONFIGURATION, "/nowhere")
    with pytest.raises(UsageError, match="nowhere: No such file"):
        address.resolve(parse("box"))


def test_without_openssh_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="no ssh here") as caught:
        address.resolve(parse("box"))
    assert caught.value.hint == "run as root: apt-get install openssh-client"


def test_a_match_that_waits_forever_is_given_up(resolve: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssh, "_LIMIT_S", 0.3)
    began = time.monotonic()
    with pytest.raises(PrerequisiteError, match=r"no answer within 0.3 s \(does a Match exec"):
        resolve("x", 'Match exec "sleep 60; true"\n')
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("host", ["foo..bar", "x" * 64, "a" * 300, "no.such.host.invalid"])
def test_a_name_that_is_no_name_is_one_line(resolve: Resolve, host: str) -> None:
    found = resolve(host, "UserKnownHostsFile none\nGlobalKnownHostsFile none\n")
    with pytest.raises(TestbedError, match="cannot be reached") as caught:
        handshake.connect(found)
    assert "\n" not in str(caught.value)


def test_a_name_that_no_file_can_have_is_that_of_no_file(resolve: Resolve) -> None:
    long = "/" + "a" * 300
    found = resolve("box", f"UserKnownHostsFile {long} /x\nGlobalKnownHostsFile {long}\nIdentityFile {long}\n")
    assert found.known_hosts == (Path(long), Path("/x"), Path(long))
    assert openssh.known_lines("box", Path(long)) == []
    assert openssh.fingerprint(Path(long[:200])) == ""


@pytest.mark.parametrize(
    ("key", "said"),
    [("port", "0"), ("port", "201e5"), ("port", "99999"), ("connectionattempts", "-1"), ("connecttimeout", "inf"),
     ("requiredrsasize", "x\x1b[2J")],
)  # fmt: skip
def test_a_number_that_openssh_does_not_print_is_one_line(key: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"host box: OpenSSH says {key} [^\n\x1b]*, which cannot be used"):
        address._address(parse("box"), {key: [said]})
