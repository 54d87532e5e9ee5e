"""Remote calls: a JSON request over one command on the other machine, a JSON answer or the error that it met."""

from __future__ import annotations

import inspect
import json
import shlex
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from testbed.base.errors import LabError, PrerequisiteError
from testbed.base.text import parse_json, plain
from testbed.base.validation import first_problem
from testbed.labs.ssh.connection import Answer, Connection
from testbed.labs.ssh.remote import bootstrap, cleanup, environment, layout, loader, protocol

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
"""The interpreter that is looked for there: the same version as ours."""

T = TypeVar("T")

_IDLE_S = 300
_BOOTSTRAP = (layout, environment, cleanup, bootstrap)  # each after those that it imports
_RECEIVER = "import sys; exec(sys.stdin.buffer.read(int(sys.argv[1])).decode())"


class PipFailed(LabError):
    """pip fails there, perhaps for want of an index."""


def call_bootstrap(
    connection: Connection, action: str, arguments: Mapping[str, object], *, limit_s: float = 60.0
) -> Any:
    """Have `testbed.labs.ssh.remote.bootstrap` do something there; nothing of ours needs to be there yet."""
    request = json.dumps({"action": action, "arguments": dict(arguments)})
    program = bootstrap_program(request)
    script = f"p={PYTHON}; command -v $p >/dev/null 2>&1 || p=python3; exec $p -I -c '{_RECEIVER}' {len(program)}"
    answer = connection.run(f"sh -c {shlex.quote(script)}", program, limit_s=limit_s)
    if answer.status == 127:
        raise PrerequisiteError(
            f"{connection.address}: it has no Python", hint=f"install Python {PYTHON.removeprefix('python')} there"
        )
    return _result(connection, answer)


def bootstrap_program(request: str) -> bytes:
    """The program for another machine's Python that answers one request to the bootstrap, standing on its own."""
    texts = {module.__name__: inspect.getsource(module) for module in _BOOTSTRAP}
    call = f"load({texts!r})\nsys.modules[{bootstrap.__name__!r}].main({request!r})\n"
    return f"{inspect.getsource(loader)}\n{call}".encode()


def tidy_up(connection: Connection, *owners: str, toolkits: bool = False) -> list[str]:
    """Remove what these owners have there, and what nobody asks for; returns the paths."""
    removed = call_bootstrap(connection, "sweep", {"dead": owners, "toolkits": toolkits}, limit_s=120.0)
    return [plain(path) for path in validated(list[str], removed, str(connection.address))]


def call(
    connection: Connection, toolkit: str, action: str, arguments: Mapping[str, object], *, limit_s: float = 120.0
) -> Any:
    """Have `testbed.labs.ssh.remote.commands` do something there, in the toolkit's environment."""
    request = json.dumps({"action": action, "arguments": dict(arguments)}) + "\n"
    command = module_command(toolkit, "commands", toolkit, _IDLE_S)
    return _result(connection, connection.request(command, request.encode(), limit_s=limit_s))


def module_command(toolkit: str, name: str, *arguments: object) -> str:
    """The command that runs a module of ours in the toolkit's environment there."""
    argv = [f"{toolkit}/bin/python", "-I", "-m", f"testbed.labs.ssh.remote.{name}", *map(str, arguments)]
    return shlex.join(argv)


def validated(kind: type[T], said: object, host: str) -> T:
    """What the other side says, if it is of this kind; raises `protocol.ProtocolError`."""
    try:
        return TypeAdapter(kind).validate_python(said)
    except ValidationError as error:
        raise protocol.ProtocolError(f"{host}: its answer makes no sense: {plain(first_problem(error))}") from error


def _result(connection: Connection, answer: Answer) -> Any:
    # What the login shell prints comes first.
    lines = answer.stdout.decode(errors="replace").strip().splitlines()
    try:
        said = parse_json(lines[-1]) if lines else None
    except ValueError:
        said = None
    if not isinstance(said, dict) or not said.keys() & {"ok", "error"}:
        words = answer.stderr.decode(errors="replace").strip().splitlines() or lines or ["no word"]
        raise LabError(f"{connection.address}: no answer that makes sense (status {answer.status}): {plain(words[-1])}")
    if "ok" in said:
        return said["ok"]
    error = protocol.error_from_json(said["error"], str(connection.address))
    if isinstance(said["error"], dict) and said["error"].get("kind") == "PipFailed":
        raise PipFailed(error.message, hint=error.hint)
    raise error
