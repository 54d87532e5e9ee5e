from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from testbed.labs.ssh import host_keys
from testbed.labs.ssh.address import Address
from testbed.labs.ssh.host_keys import HostKeyRefused


def make() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def address(tmp_path: Path) -> Address:
    return Address("box", "box", 2200, "me", "[box]:2200", known_hosts=(tmp_path / "known_hosts", tmp_path / "missing"))


def verdict(address: Address, key: paramiko.PKey, *lines: str) -> str:
    """The error for this key with these lines in known_hosts; empty if it is accepted."""
    address.known_hosts[0].write_text("".join(f"{line}\n" for line in lines))
    try:
        host_keys.check(key, address, host_keys.load(address))
    except HostKeyRefused as error:
        assert "\n" not in str(error)
        return str(error)
    return ""


def line(name: str, key: paramiko.PKey) -> str:
    return f"{name} {key.get_name()} {key.get_base64()}"


def test_the_known_key_is_accepted(address: Address) -> None:
    key = make()
    assert verdict(address, key, line("[box]:2200", key)) == ""
    assert verdict(address, key, line(paramiko.HostKeys.hash_host("[box]:2200"), key)) == ""


def test_a_host_may_have_several_keys_of_a_kind(address: Address) -> None:
    keys = [make(), make()]
    lines = [line("[box]:2200,other", key) for key in keys]
    assert [verdict(address, key, *lines) for key in keys] == ["", ""]


def test_an_unknown_host_is_refused_with_the_line_to_run(address: Address) -> None:
    key = make()
    said = verdict(address, key, line("box", key))  # known on port 22 only
    assert "its host key is not known" in said
    assert f"ssh-keyscan -p 2200 box >> {address.known_hosts[0]}" in said


def test_a_changed_key_is_refused(address: Address) -> None:
    said = verdict(address, make(), line("[box]:2200", make()))
    assert "its host key has changed" in said and "ssh-keygen -R '[box]:2200'" in said


def test_a_revoked_key_is_refused_even_if_it_is_known(address: Address) -> None:
    key = make()
    said = verdict(address, key, line("[box]:2200", key), f"@revoked * {key.get_name()} {key.get_base64()}")
    assert "revoked" in said


def test_the_kinds_of_key_that_are_known_are_asked_for_first(address: Address) -> None:
    key = make()
    address.known_hosts[0].write_text(line("[box]:2200", key) + "\n")
    known = host_keys.load(address)
    offered = ("ssh-ed25519", "rsa-sha2-512", key.get_name())
    assert host_keys.algorithms(known, offered) == (key.get_name(), "ssh-ed25519", "rsa-sha2-512")
