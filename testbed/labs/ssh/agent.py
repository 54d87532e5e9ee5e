"""The agent that holds keys: at the socket that the configuration names, with a limit to every wait."""

from __future__ import annotations

import os
import socket

import paramiko
from paramiko.agent import AgentKey, AgentSSH

from testbed.base.text import plain
from testbed.labs.ssh.address import AGENT_OF_THE_SESSION

_LIST_S = 5.0
_SIGN_S = 60.0  # somebody may have to say yes


class AgentUnavailable(Exception):
    """The agent is gone, does not answer, or has no keys: why, in a few words."""


class _Agent(AgentSSH):
    """An agent at a socket; raises what the socket raises."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.settimeout(_LIST_S)
            self.socket.connect(path)
            self._connect(self.socket)  # type: ignore[attr-defined]
            self.socket.settimeout(_SIGN_S)
        except BaseException:
            self.socket.close()
            raise


def keys(where: str) -> tuple[AgentKey, ...]:
    """The keys of the agent that IdentityAgent names, none without one; raises `AgentUnavailable`."""
    path = _path(where)
    if not path:
        return ()
    try:
        found = _Agent(path).get_keys()
    except (OSError, EOFError, ValueError, IndexError, paramiko.SSHException) as error:
        raise AgentUnavailable(f"the agent at {plain(path)} does not answer") from error
    if not found:
        raise AgentUnavailable("the agent has no keys")
    return found


def _path(where: str) -> str:
    """The path of the socket, empty for no agent (ssh_config(5), IdentityAgent)."""
    if where == AGENT_OF_THE_SESSION:
        return os.environ.get(AGENT_OF_THE_SESSION, "")
    if where == "none":
        return ""
    if where.startswith("$"):
        return os.environ.get(where.removeprefix("$").removeprefix("{").removesuffix("}"), "")
    return where
