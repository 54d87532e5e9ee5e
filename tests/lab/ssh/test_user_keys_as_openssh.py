"""The user's keys, certificates and agent are offered by the lab as they are by `ssh`, with a real sshd."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from openssh_and_lab import Both
from ssh_host import make_key, settles


@pytest.fixture
def agent(both: Both) -> Callable[[str], Path]:
    """Starts an agent at a path in the folder, with the host's key; ends with the test."""
    started = []

    def start(name: str) -> Path:
        path = both.folder / name
        started.append(subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL))
        assert settles(path.exists, 10)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        subprocess.run(["ssh-add", "-q", both.host.user_key], env=environment, check=True)
        return path

    yield start  # type: ignore[misc]
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("text", "works"),
    [
        ("IdentityAgent {dir}/agent", True),
        ("IdentityAgent $LAB_AGENT", True),
        ("IdentityAgent ${{LAB_AGENT}}", True),
        ("IdentityAgent $NO_SUCH_AGENT", False),
        ("IdentityAgent SSH_AUTH_SOCK", False),
        ("IdentityAgent none", False),
        ("IdentityAgent {dir}/gone", False),
        ("IdentityAgent {dir}/%%n", False),
        ("IdentitiesOnly yes\nIdentityAgent {dir}/agent", False),
        ("IdentitiesOnly yes\nIdentityAgent {dir}/agent\nIdentityFile {dir}/half.pub", True),
        ("IdentitiesOnly yes\nIdentityAgent {dir}/agent\nIdentityFile {dir}/half", True),
    ],
)
def test_the_agent_is_the_one_that_the_configuration_names(
    both: Both, agent: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, text: str, works: bool
) -> None:
    monkeypatch.setenv("LAB_AGENT", str(agent("agent")))
    (both.folder / "half.pub").write_bytes(both.host.user_key.with_suffix(".pub").read_bytes())
    if "IdentityFile" not in text:
        text += "\nIdentityFile {dir}/missing"
    if "IdentitiesOnly" not in text:
        text += "\nIdentitiesOnly no"
    both.write(text, both.line())
    config = both.folder / "config"
    config.write_text(config.read_text().replace(f"  IdentityFile {both.host.user_key}\n", ""))
    assert both.lab() is both.ssh() is works, both.said


@pytest.mark.parametrize("way", ["beside", "named", "agent"])
def test_a_certificate_is_offered_with_its_key(both: Both, agent: Callable[[str], Path], way: str) -> None:
    """The host takes certificates of an authority; the key itself it does not know."""
    authority, key = both.folder / "authority", both.folder / "mine"
    make_key(authority)
    make_key(key)
    authorized = both.host.folder / "authorized_keys"
    before = authorized.read_text()
    authorized.write_text(f"cert-authority {authority.with_suffix('.pub').read_text()}")
    try:
        both.write(f"IdentityFile {key}", both.line())
        config = both.folder / "config"
        config.write_text(config.read_text().replace(f"  IdentityFile {both.host.user_key}\n", ""))
        assert not both.ssh() and not both.lab()
        argv = ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", "root", key.with_suffix(".pub")]
        subprocess.run(argv, check=True, capture_output=True)
        certificate = both.folder / "mine-cert.pub"
        if way == "named":
            other = both.folder / "other name"
            certificate.rename(other)
            config.write_text(config.read_text().replace("IdentityFile", f'CertificateFile "{other}"\nIdentityFile', 1))
        if way == "agent":
            path = agent("agent")
            subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": str(path)}, check=True)
            key.unlink()
            config.write_text(config.read_text().replace("IdentityFile", f"IdentityAgent {path}\nIdentityFile", 1))
        assert both.ssh() and both.lab(), both.said
    finally:
        authorized.write_text(before)


def test_the_path_of_a_key_may_have_tokens_and_spaces(both: Both) -> None:
    key = both.folder / "key of far for 100%"
    key.write_bytes(both.host.user_key.read_bytes())
    key.chmod(0o600)
    both.write('IdentityFile "{dir}/key of %n for 100%%"', both.line())
    config = both.folder / "config"
    config.write_text(config.read_text().replace(f"  IdentityFile {both.host.user_key}\n", ""))
    assert both.ssh() and both.lab(), both.said
