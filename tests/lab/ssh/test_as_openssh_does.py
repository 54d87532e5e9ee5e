"""A real sshd, and the same configuration given to `ssh` and to the lab: who gets in and who does not is the same."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ssh_host import Host, make_key, processes, settles

from testbed.base.errors import TestbedError
from testbed.labs.ssh import openssh
from testbed.labs.ssh.address import resolve
from testbed.labs.ssh.handshake import connect
from testbed.labs.ssh.target import parse


@dataclass
class Both:
    """The two programs, and their files: `config` and `known` are written anew for each, `home` has a user's keys."""

    host: Host
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def known(self) -> Path:
        return self.folder / "known_hosts"

    def line(self, name: str = "") -> str:
        return f"{name or f'[127.0.0.1]:{self.host.port}'} {self.host.host_key}\n"

    def write(self, text: str, known: str) -> None:
        words = {"port": self.host.port, "key": self.host.user_key, "known": self.known, "dir": self.folder}
        head = f"Host *\n  IdentityFile {self.host.user_key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {self.known}\n"
        where = f"Host far plain\n  HostName 127.0.0.1\n  Port {self.host.port}\n"
        config = self.folder / "config"
        config.write_text("Host far\n" + text.format(**words) + "\n" + where + head)
        config.chmod(0o600)
        self.known.write_text(known)

    def ssh(self) -> bool:
        argv = ["ssh", "-F", self.folder / "config", "-o", "BatchMode=yes", "-o", "RemoteCommand=none", "far", "true"]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode == 0

    def lab(self) -> bool:
        """Whether the lab gets in; its words are in `said`."""
        self.said.clear()
        try:
            connection = connect(resolve(parse("far")), self.said.append)
        except TestbedError as error:
            self.said.append(str(error))
            assert "\n" not in str(error)
            return False
        try:
            return connection.run("echo hi").stdout == b"hi\n"
        finally:
            connection.close()

    def agree(self, text: str, known: str) -> bool:
        """What both say of a configuration and a known_hosts file."""
        self.write(text, known)
        theirs = self.ssh()
        self.write(text, known)
        assert self.lab() == theirs, self.said
        return theirs


@pytest.fixture
def both(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Both:
    monkeypatch.setenv(openssh.CONFIGURATION, str(tmp_path / "config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return Both(host, tmp_path)


NOTHING, OTHER = "", "127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvYdhNwNs1P+IZhvHWqpJtTKSk3fO+jq4h+eAAQCK1z\n"
CHANGED = "[127.0.0.1]:{port} " + OTHER.partition(" ")[2]


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


@pytest.mark.parametrize(
    ("text", "works"),
    [
        ("Include {dir}/more/*", True),
        ("HostName=127.0.0.1\nPort = {port}", True),
        ("HostName 127.0.0.1 # lab\nPort {port} # lab\nUser root # me", True),
        ("Port 1\n", False),
        ("ProxyCommand none", True),
        ("ProxyCommand nc %h %p", True),
        ("ProxyCommand sh -c 'exec nc \"$1\" %p 2>/dev/null' x %h", True),
        ("ProxyCommand nc %h %p | cat", True),
        ("ProxyCommand sh -c 'P=%p; nc 127.0.0.1 $P' # a comment", True),
        ("ProxyCommand P=%p; nc 127.0.0.1 $P", False),
        ("ProxyCommand ssh -F {dir}/config -W %h:%p plain", True),
        ("ProxyCommand sh -c 'test %% = % && exec nc %h %p'", False),
        ("ProxyCommand sh -c 'test %% = x; exec nc %h %p'", True),
        ("ProxyCommand nc %h %p %u", False),
        ("ProxyCommand nc %h 1", False),
        ("ProxyCommand false", False),
        ("ProxyCommand nc 'open", False),
        ("ProxyCommand python3 {dir}/pass.py %h %p\nProxyUseFdpass yes", True),
        ("ProxyCommand true\nProxyUseFdpass yes", False),
        ("ProxyJump plain", True),
        ("ProxyJump plain,plain", True),
        ("ProxyJump none", True),
        ("ProxyJump root@127.0.0.1:{port}", False),
        ("ProxyJump root@localhost:{port}", True),
        ("ProxyJump ssh://root@plain:{port}", True),
        ("ProxyJump a:x", False),
        ("ConnectTimeout none", True),
        ("ConnectTimeout 1m", True),
        ("ConnectionAttempts 2\nPort 1", False),
        ("IdentitiesOnly true", True),
        ("AddressFamily inet", True),
        ("AddressFamily inet6", False),
        ("BindAddress 127.0.0.1", True),
        ("BindAddress 192.0.2.1", False),
        ("BindInterface lo", True),
        ("BindInterface nosuch0", False),
        ("Ciphers aes256-gcm@openssh.com\nMACs hmac-sha2-512", True),
        ("KexAlgorithms ecdh-sha2-nistp256\nHostKeyAlgorithms ssh-ed25519", True),
        ("HostKeyAlgorithms ecdsa-sha2-nistp256", False),
        ("PubkeyAcceptedAlgorithms rsa-sha2-512", False),
        ("PubkeyAcceptedAlgorithms -ssh-rsa*", True),
        ("PubkeyAuthentication no", False),
        ("PreferredAuthentications password", False),
        ("PreferredAuthentications gssapi-with-mic,publickey", True),
        ("StrictHostKeyChecking no\nPasswordAuthentication no\nLogLevel FATAL\nPubkeyAcceptedKeyTypes +ssh-rsa", True),
        ("HostKeyAlgorithms +ssh-rsa\nPubkeyAcceptedAlgorithms +ssh-rsa\nIdentitiesOnly yes", True),
        ("IgnoreUnknown UseKeychain\nUseKeychain yes\nAddKeysToAgent yes", True),
        ("UseKeychain yes", False),
        ("Match exec \"test -d {dir}\"\n  Compression yes\nMatch !exec \"test -d {dir}\"\n  Port 1", True),
        ("CanonicalizeHostname yes\nCanonicalDomains invalid\nCanonicalizeFallbackLocal yes", True),
        ("IdentityFile {dir}/missing", True),
        ("IdentityFile %d/none_such\nIdentityFile none", True),
        ("HostKeyAlias someone", False),
        ("HostKeyAlias SomeOne\nUserKnownHostsFile {dir}/alias {dir}/other", True),
        ("UserKnownHostsFile {dir}/nothing {known}", True),
        ('UserKnownHostsFile "{dir}/a b/known hosts" {dir}/nothing', True),
        ("UserKnownHostsFile {dir}/nothing\nGlobalKnownHostsFile {dir}/nothing {known}", True),
        ("UserKnownHostsFile none\nGlobalKnownHostsFile none", False),
        ("NoHostAuthenticationForLocalhost yes\nUserKnownHostsFile none", True),
        ("CheckHostIP yes\nHostName localhost\nUserKnownHostsFile {dir}/localhost\nAddressFamily inet", True),
        ("RemoteCommand sleep 1\nRequestTTY force", True),
        ("ControlMaster auto\nControlPath none\nControlPersist no", True),
        ("SendEnv LANG\nSetEnv A=b\nRekeyLimit 1G 1h\nForwardAgent yes\nCompression yes", True),
        ("Nonsense yes", False),
        ("Port many", False),
        ("Port 0", False),
        ("Port 65536", False),
        ("ConnectTimeout soon", False),
        ('User "open', False),
        ("User nobody@elsewhere", False),
        ("Match exec false\n  Port 1\nMatch host 127.0.0.1,far exec \"true\"\n  ServerAliveInterval 5", True),
        ("Match originalhost far user root\n  Port 1", False),
        ("Match final\n  Port 1\nMatch canonical all\n  Port 2", True),
        ("CanonicalizeHostname always\nCanonicalDomains invalid", True),
    ],
)  # fmt: skip
def test_a_configuration_means_what_it_means_to_ssh(both: Both, text: str, works: bool) -> None:
    (both.folder / "more").mkdir()
    (both.folder / "more" / "port").write_bytes(f"Port\t{both.host.port}\r\nUser root\r\n".encode() + b"# \xff\n")
    (both.folder / "alias").write_text(both.line("someone"))
    (both.folder / "localhost").write_text(both.line(f"[localhost]:{both.host.port}"))
    (both.folder / "a b").mkdir()
    (both.folder / "a b" / "known hosts").write_text(both.line())
    (both.folder / "pass.py").write_text(
        "import socket, sys\n"
        "there = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "socket.send_fds(socket.socket(fileno=1), [b'x'], [there.fileno()])\n"
    )
    known = both.line() + both.line(f"[localhost]:{both.host.port}")
    assert both.agree(text, known) is works, both.said


def test_jump_hosts_that_lead_to_each_other_are_refused(both: Both) -> None:
    both.write("ProxyJump plain\nHost plain\n  ProxyJump far", both.line())
    assert not both.lab()
    assert "more than 5 ProxyJumps, one inside the other" in both.said[0]


def test_a_match_that_never_ends_is_given_up(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssh, "_LIMIT_S", 0.5)
    both.write('Match exec "sleep 61.25"\n', both.line())
    assert not both.lab()
    assert "no answer within 0.5 s" in both.said[0]
    assert settles(lambda: not any("61.25" in words for words in processes().values()))


def test_a_programs_children_end_with_the_connection(both: Both) -> None:
    both.write("ProxyCommand sh -c 'sleep 62.5 & nc %h %p'", both.line())
    assert both.lab()
    assert settles(lambda: not any("62.5" in words for words in processes().values()), 5)


def test_what_a_program_complains_of_is_in_the_line(both: Both) -> None:
    both.write("ProxyCommand echo no way through >&2; exit 1", both.line())
    assert not both.lab()
    assert "no way through" in both.said[0]


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


def test_a_host_that_never_answers_is_given_up_in_time(both: Both) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            both.write(f"Port {port}\nConnectTimeout 1", both.line())
            assert not both.lab()
    assert "no answer in time" in both.said[0]


def test_a_shell_of_the_users_runs_the_program(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = both.folder / "shell"
    shell.write_text(f'#!/bin/sh\necho "$@" >{shlex.quote(str(both.folder / "asked"))}\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)
    monkeypatch.setenv("SHELL", str(shell))
    assert both.agree("ProxyCommand nc %h %p", both.line())
    assert (both.folder / "asked").read_text() == f"-c exec nc 127.0.0.1 {both.host.port}\n"
