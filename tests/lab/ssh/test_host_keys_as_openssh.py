"""Host keys are known, unknown, changed and revoked to the lab as they are to `ssh`, with a real sshd."""

from __future__ import annotations

import subprocess

import pytest
from openssh_and_lab import CHANGED, NOTHING, OTHER, Both


@pytest.mark.parametrize(
    "known",
    [
        "{line}",
        "127.0.0.1 {key}\n",  # without its port it vouches for it, too
        "[127.0.0.*]:* {key}\n",
        "[127.0.0.*]:*,![127.0.0.1]:{port} {key}\n",
        "|1|xx|yy {key}\nno line of any kind\n{line}",
        "[127.0.0.1]:{port} ssh-ed25519 AAAAbad\n{line}",
        "[127.0.0.1]:{port} ssh-ed25519 AAAAbad\n",
        "[127.0.0.1]:{port} ssh-new AAAAB3NzaC1yc2E=\n{line}",
        "# [127.0.0.1]:{port} {key}\n",
        "  \t{line}",
        "[127.0.0.1]:{port}\t{key} who made it\r\n",
        "@revoked * {key}\n{line}",
        "@revoked another {key}\n{line}",
        "@cert-authority * {key}\n",
        CHANGED,
        CHANGED + "{line}",
        OTHER,
        OTHER + "{line}",
        NOTHING,
    ],
)
@pytest.mark.parametrize("checking", ["yes", "ask", "accept-new", "no", "off"])
def test_whose_host_key_is_good(both: Both, known: str, checking: str) -> None:
    text = known.format(line=both.line(), key=both.host.host_key, port=both.host.port)
    both.agree(f"StrictHostKeyChecking {checking}", text)


def test_this_machines_numeric_address_is_not_checked(both: Both) -> None:
    known = both.line(f"[localhost]:{both.host.port}") + CHANGED.format(port=both.host.port)
    assert both.agree("HostName localhost\nAddressFamily inet\nCheckHostIP yes", known), both.said


def test_hashed_names_are_found(both: Both) -> None:
    both.write("", both.line())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", both.known], check=True, capture_output=True)
    text = both.known.read_text()
    assert text.startswith("|1|") and both.agree("", text)


@pytest.mark.parametrize("checking", ["accept-new", "no"])
def test_what_lab_tools_write_connects_and_says_that_nothing_was_checked(both: Both, checking: str) -> None:
    assert both.agree(f"StrictHostKeyChecking {checking}\nUserKnownHostsFile /dev/null", NOTHING)
    (said,) = both.said
    assert "its host key is not checked" in said and "SHA256:" in said and "\n" not in said


@pytest.mark.parametrize("hashed", ["no", "yes"])
def test_a_new_key_is_kept_and_a_changed_one_noticed(both: Both, hashed: str) -> None:
    text = f"StrictHostKeyChecking accept-new\nHashKnownHosts {hashed}"
    both.write(text, "a line without an end")
    assert both.lab()
    assert f"its host key is new, and now in {both.known}" in both.said[0]
    assert both.known.read_text().startswith("|1|" if hashed == "yes" else "[", len("a line without an end\n"))
    assert both.lab() and both.said == []  # by now it is known
    assert both.agree("StrictHostKeyChecking yes", both.known.read_text())


def test_the_cure_for_an_unknown_key_is_the_line_to_run(both: Both) -> None:
    both.write("HostKeyAlias The-VM\nUserKnownHostsFile {dir}/new/known", NOTHING)
    assert not both.lab()
    line = both.said[0].partition("run: ")[2].removesuffix(")")
    subprocess.run(["sh", "-c", line], check=True)
    assert both.ssh() and both.lab()


def test_a_file_of_revoked_keys_is_obeyed(both: Both) -> None:
    revoked, key = both.folder / "revoked", both.host.folder / "host_key.pub"
    option = f"RevokedHostKeys {revoked}"
    assert not both.agree(option, both.line())  # it is missing: no key is good
    revoked.write_text("# none\n")
    assert both.agree(option, both.line())
    revoked.write_bytes(key.read_bytes())
    assert not both.agree(option, both.line())
    for what, good in ((both.host.user_key.with_suffix(".pub"), True), (key, False)):
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", revoked, what], check=True, capture_output=True)
        assert both.agree(option, both.line()) is good, both.said
