from __future__ import annotations

from pathlib import Path

import pytest

from testbed.cli.labs import clocks_of
from testbed.errors import ConfigError, UsageError
from testbed.labs import catalog
from testbed.labs.ssh import address
from testbed.labs.ssh.target import Target, parse


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("host", Target("host")),
        ("me@host", Target("host", "me")),
        ("host:2222", Target("host", None, 2222)),
        ("me@host:2222/local", Target("host", "me", 2222, "local")),
        ("host/uml", Target("host", None, None, "uml")),
        ("[fe80::1%eth0]:22", Target("fe80::1%eth0", None, 22)),
        ("me@10.0.0.1/local", Target("10.0.0.1", "me", None, "local")),
    ],
)
def test_a_target_is_read(text: str, target: Target) -> None:
    assert parse(text) == target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a host"),
        ("me@", "not a host"),
        ("a b", "not a host"),
        ("-oProxyCommand=x", "not a host"),
        ("-l@host", "not a host"),
        ("host:", "not a host"),
        ("host:0", "there is no port 0"),
        ("host:65536", "there is no port 65536"),
        ("fe80::1", "not a host"),
        ("host/vm", "the other machine has no lab 'vm'"),
    ],
)
def test_what_is_no_target_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_a_spec_knows_the_clocks_of_the_other_sides_lab() -> None:
    assert clocks_of([catalog.parse("ssh:host")]) == ("virtual", "real")
    assert clocks_of([catalog.parse("ssh:host/local")]) == ("real",)
    with pytest.raises(UsageError, match="does not say where"):
        catalog.parse("ssh:")


def resolve(text: str, configuration: str = "") -> address.Address:
    return address.resolve(parse(text), configuration)


CONFIGURATION = """
Host box
  HostName box.example.org
  User researcher
  Port 2200
  IdentityFile ~/.ssh/lab_key
  IdentitiesOnly yes
  UserKnownHostsFile /a/known /b/known
  GlobalKnownHostsFile none
  ProxyJump one,two
  ConnectTimeout 7
Host aliased
  HostKeyAlias the-vm
  ProxyCommand nc %h %p
"""


def test_the_configuration_completes_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    found = resolve("box", CONFIGURATION)
    assert found == address.Address(
        alias="box",
        hostname="box.example.org",
        port=2200,
        user="researcher",
        known_as="[box.example.org]:2200",
        identities=(Path("/home/me/.ssh/lab_key"),),
        identities_only=True,
        known_hosts=(Path("/a/known"), Path("/b/known")),
        proxy_jump=("one", "two"),
        connect_s=7.0,
    )
    assert str(found) == "researcher@box.example.org:2200"


def test_what_the_spec_says_wins() -> None:
    found = resolve("root@box:22", CONFIGURATION)
    assert (found.user, found.port, found.known_as, str(found)) == (
        "root",
        22,
        "box.example.org",
        "root@box.example.org",
    )


def test_an_alias_of_the_host_key_has_no_port() -> None:
    found = resolve("aliased:2222", CONFIGURATION)
    assert (found.known_as, found.proxy_command) == ("the-vm", "nc aliased 2222")


def test_both_files_are_read_the_users_first(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("Host box\n  Port 2\n")
    (tmp_path / "system").write_text("Port 3\nUser them\n")
    configuration = address.read_configuration(tmp_path / "user", tmp_path / "system")
    assert address.resolve(parse("box"), configuration).port == 2
    found = address.resolve(parse("other"), configuration)
    assert (found.port, found.user) == (3, "them")


def test_a_bad_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="port 'many' is not a number"):
        resolve("box", "Host box\n  Port many\n")
