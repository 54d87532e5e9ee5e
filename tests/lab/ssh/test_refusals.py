"""No connection to a machine that may be another one, and none with keys that it does not take: one line each."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ssh_host import Host, free_port, make_key, processes, settles
from ssh_user import Here

EXEC = ("exec", "--lab", "ssh:far", "--", "true")


def refusal(here: Here, status: int = 4) -> str:
    """What `testbed exec` says: one line, and nothing is left to tidy up."""
    done = here.testbed(*EXEC)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert done.stderr.startswith("testbed: error: ") and done.stderr.count("\n") == 1
    assert list((here.cache / "ssh").rglob("*.json")) == []
    return done.stderr


def test_an_unknown_host_key_is_refused_with_the_line_to_run(here: Here, host: Host) -> None:
    known = here.home / ".ssh" / "known_hosts"
    known.unlink()
    said = refusal(here)
    assert "its host key is not known: ssh-ed25519 SHA256:" in said
    # The line is the cure.
    line = said.partition("run: ")[2].rstrip(")\n")
    assert line == f"echo '[127.0.0.1]:{host.port} {host.host_key}' >> {known}"
    subprocess.run(["sh", "-c", line], check=True, capture_output=True)
    assert host.host_key in known.read_text()


def test_a_changed_host_key_is_refused(here: Here, host: Host, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    (here.home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{host.port} {other}\n")
    said = refusal(here)
    assert "its host key has changed" in said and f"ssh-keygen -R '[127.0.0.1]:{host.port}'" in said


def test_a_key_that_is_not_accepted_is_refused(here: Here, host: Host, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    here.configure(host, host.port, IdentityFile=str(tmp_path / "stranger"))
    assert "none of our 1 keys is accepted" in refusal(here)


def test_a_key_with_a_passphrase_is_for_the_agent(here: Here, host: Host, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(tmp_path / "locked")], check=True)
    here.configure(host, host.port, IdentityFile=str(tmp_path / "locked"))
    said = refusal(here)
    assert "there is no key to offer" in said and f"has a passphrase: ssh-add {tmp_path / 'locked'}" in said


def test_a_host_that_is_not_there(here: Here, host: Host) -> None:
    here.configure(host, free_port())
    said = refusal(here)
    assert "cannot be reached" in said and "does sshd run there" in said


@pytest.fixture
def agent(here: Here, host: Host, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An agent with the only key that the host takes."""
    socket = tmp_path / "agent"
    here.environment["SSH_AUTH_SOCK"] = str(socket)
    here.configure(host, host.port, IdentityFile="none")
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as process:
        assert settles(socket.exists, 10)
        subprocess.run(["ssh-add", "-q", str(host.user_key)], env=here.environment, check=True)
        yield process
        process.kill()


@pytest.mark.usefixtures("provided")
def test_the_agents_key_is_enough_and_a_killed_agent_is_named(
    here: Here, agent: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert here.testbed(*EXEC).returncode == 0
    agent.send_signal(signal.SIGSTOP)  # it is there, and never answers
    said = refusal(here)
    assert f"the agent at {tmp_path / 'agent'} does not answer" in said
    os.kill(agent.pid, signal.SIGKILL)
    agent.wait()
    said = refusal(here)
    assert f"the agent at {tmp_path / 'agent'} does not answer" in said
    assert agent.pid not in processes()
