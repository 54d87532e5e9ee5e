"""An SSH configuration means to the lab what it means to `ssh`, with a real sshd."""

from __future__ import annotations

import shlex
import socket

import pytest
from openssh_and_lab import Both
from ssh_host import processes, settles

from testbed.labs.ssh import openssh


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
