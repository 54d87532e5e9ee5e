"""A connection is made: a byte stream to the host, the SSH handshake, its key checked, a key of ours accepted."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Sequence
from dataclasses import replace

import paramiko

from testbed.base.errors import CommandError, PrerequisiteError, UsageError
from testbed.labs.ssh import authentication, byte_stream, host_keys
from testbed.labs.ssh.address import Address, resolve
from testbed.labs.ssh.byte_stream import ByteStream
from testbed.labs.ssh.connection import HANDSHAKE_S, Connection, ConnectionLost, text_of
from testbed.labs.ssh.host_keys import KnownKey, Report
from testbed.labs.ssh.target import parse
from testbed.labs.ssh.user_keys import RSA

KEEPALIVE_S = 5
_MAX_JUMPS = 5

# paramiko logs tracebacks of broken connections, which are ours to explain.
_log = logging.getLogger("testbed.ssh")
_log.addHandler(logging.NullHandler())
_log.propagate = False


def connect(address: Address, report: Report = lambda _what: None, depth: int = 0) -> Connection:
    """A connection whose host key was checked and where a key of ours was accepted; `report` is told what was not.

    Raises `ConnectionLost` when the host cannot be reached, `HostKeyRefused`, `AuthenticationRefused`, `ConfigError`.
    """
    known = host_keys.load(address)
    try:
        stream = _reach(address, report, depth)
    except (OSError, paramiko.SSHException, EOFError, CommandError) as error:
        raise ConnectionLost(f"{address}: cannot be reached: {text_of(error)}", hint=_advice(error)) from error
    try:
        transport = paramiko.Transport(stream.sock, disabled_algorithms={"pubkeys": _unwanted(address)})
        try:
            transport.set_log_channel(_log.name)
            transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = HANDSHAKE_S
            _choose_algorithms(transport, address, known)
            transport.start_client(timeout=HANDSHAKE_S)
            host_keys.check(transport.get_remote_server_key(), address, known, peer=stream.peer, report=report)
            authentication.authenticate(transport, address)
            transport.set_keepalive(KEEPALIVE_S)
        except BaseException:
            transport.close()
            raise
    except (paramiko.SSHException, OSError, EOFError) as error:
        stream.close()
        said = f"{text_of(error)} {stream.last_error()}".rstrip()
        raise ConnectionLost(f"{address}: no SSH connection: {said}") from error
    except BaseException:
        stream.close()
        raise
    return Connection(address, transport, stream)


def _reach(address: Address, report: Report, depth: int) -> ByteStream:
    if address.proxy_command:
        return byte_stream.through_program(address)
    if not address.proxy_jump:
        return byte_stream.direct(address)
    if depth >= _MAX_JUMPS:
        raise UsageError(f"{address}: more than {_MAX_JUMPS} ProxyJumps, one inside the other")
    *before, last = address.proxy_jump
    jump = resolve(parse(last))
    if before:
        # What stands before it says how to reach it, whatever the configuration says.
        jump = replace(jump, proxy_command="", proxy_jump=tuple(before))
    hop = connect(jump, report, depth + 1)
    return byte_stream.through_channel(address, hop.transport, hop.close)


def _choose_algorithms(transport: paramiko.Transport, address: Address, known: Sequence[KnownKey]) -> None:
    """Offer what the configuration allows and paramiko has, in the order of the former."""
    options, wanted = transport.get_security_options(), address.algorithms
    options.kex = _common(address, "KexAlgorithms", wanted.kex, options.kex)
    options.ciphers = _common(address, "Ciphers", wanted.ciphers, options.ciphers)
    options.digests = _common(address, "MACs", wanted.macs, options.digests)
    kinds = _common(address, "HostKeyAlgorithms", wanted.host_keys, options.key_types)
    options.key_types = host_keys.algorithms(known, kinds)


def _common(address: Address, option: str, wanted: Sequence[str], ours: Sequence[str]) -> tuple[str, ...]:
    common = tuple(name for name in wanted if name in ours) if wanted else tuple(ours)
    if not common:
        raise PrerequisiteError(
            f"{address}: {option} allows nothing that can be spoken here", hint=f"allow one of: {', '.join(ours)}"
        )
    return common


def _unwanted(address: Address) -> list[str]:
    """The algorithms that are not for an RSA key of ours, which has several; of other kinds, the keys are left out."""
    wanted = address.algorithms.user_keys
    return [name for name in RSA if wanted and name not in wanted]


def _advice(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host: see its name, and HostName in ~/.ssh/config"
    if getattr(error, "errno", None) == errno.ECONNREFUSED:
        return "does sshd run there, and on that port?"
    return ""
