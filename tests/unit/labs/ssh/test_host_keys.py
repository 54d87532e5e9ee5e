from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from testbed.labs.ssh import host_keys
from testbed.labs.ssh.address import Address, Checking
from testbed.labs.ssh.host_keys import HostKeyRefused


def make() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def address(tmp_path: Path) -> Address:
    return Address("box", "box", 2200, "me", "[box]:2200", known_hosts=(tmp_path / "known_hosts", tmp_path / "missing"))


@pytest.mark.parametrize(
    "bad",
    [
        "|1|xx|yy {line}",
        "|1| {line}",
        "box",
        "[box]:2200 ssh-ed25519",
        "[box]:2200 ssh-ed25519 !!!",
        "[box]:2200 ssh-ed25519 AAAA",
        "[box]:2200 ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGvYdhNwNs1P+IZhvHWqpJtTKSk3fO+jq4h+eAAQCK1z",
        "@unheard-of * {line}",
        "\x1b[2J \u202e \0",
        "x" * 100_000,
    ],
)
def test_a_bad_line_of_the_file_is_nobodys_key(address: Address, bad: str) -> None:
    key = make()
    words = line("other", key).split(" ", 1)[1]
    bad = bad.replace("{line}", words)
    assert verdict(address, key, bad, line("[box]:2200", key)) == ""
    assert "its host key is not known" in verdict(address, key, bad)


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
    said = verdict(address, key, line("box", key))
    assert "its host key is not known" in said
    assert f"echo '{line('[box]:2200', key)}' >> {address.known_hosts[0]}" in said


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


@pytest.mark.parametrize("checking", ["yes", "accept-new", "no"])
@pytest.mark.parametrize("peer", ["192.0.2.7", "127.0.0.1", "::1", "198.51.100.1", ""])
def test_another_key_for_the_numeric_address_is_refused_where_that_is_checked(
    address: Address, checking: Checking, peer: str
) -> None:
    key, reports = make(), list[str]()
    lines = [line("[box]:2200", key), *(line(f"[{ip}]:2200", make()) for ip in ("192.0.2.7", "127.0.0.1", "::1"))]
    address.known_hosts[0].write_text("".join(f"{each}\n" for each in lines))
    for checks in (False, True):
        where = replace(address, checks_ip=checks, checking=checking)
        is_other = checks and peer == "192.0.2.7"
        with (
            pytest.raises(HostKeyRefused, match="another key for 192")
            if is_other and checking != "no"
            else contextlib.nullcontext()
        ):
            host_keys.check(key, where, host_keys.load(where), peer=peer, report=reports.append)
        assert bool(reports) is (is_other and checking == "no")


def test_a_key_of_another_kind_is_no_change(address: Address) -> None:
    key = paramiko.RSAKey.generate(2048)
    assert "is not known" in verdict(address, key, line("[box]:2200", make()))


def test_a_short_rsa_key_is_refused(address: Address) -> None:
    key = paramiko.RSAKey.generate(1024)
    address.known_hosts[0].write_text(line("[box]:2200", key) + "\n")
    with pytest.raises(HostKeyRefused, match="its RSA host key has 1024 bits, RequiredRSASize is 2048"):
        host_keys.check(key, replace(address, least_rsa_bits=2048), host_keys.load(address))
