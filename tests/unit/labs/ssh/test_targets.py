from __future__ import annotations

import pytest

from experiments.api.places import clocks_of
from testbed.base.errors import UsageError
from testbed.labs import catalog
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
        ("me@corp.example@host", Target("host", "me@corp.example")),
        ("foo..bar", Target("foo..bar")),
        ("LAB_1.example.org.", Target("LAB_1.example.org.")),
        ("x" * 64, Target("x" * 64)),
        ("rechner-ü", Target("rechner-ü")),
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
        ("$(touch${IFS}X)/local", "not a host"),
        ("host;id", "not a host"),
        ("a`id`", "not a host"),
        ("$USER@host", "not a host"),
        ("me@ho'st", "not a host"),
        ("host|cat", "not a host"),
        ("ho\\st", "not a host"),
        ("[fe80::1%$(id)]", "not a host"),
        ("host:٢٢", "not a host"),
        ("host\x1b[2J", r"'ssh:host\\x1b\[2J': not a host"),
        ("host:" + "9" * 400, "not a host"),
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
