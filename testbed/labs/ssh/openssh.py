"""OpenSSH's own word on what its files say: `ssh -G` for the configuration, `ssh-keygen` for keys and known hosts.

So Include, Match, tokens, quotes, hashed names and patterns mean here what they mean to `ssh`. Every question has a
limit of time: a `Match exec` may wait for something that never comes.
Source: ssh(1), ssh_config(5), ssh-keygen(1).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.base.errors import ConfigError, PrerequisiteError, TestbedError, UsageError
from testbed.base.text import plain

CONFIGURATION = "TESTBED_SSH_CONFIG"
"""Names a file to be read instead of the user's and the system's configuration, as `ssh -F` does."""

Configuration = Mapping[str, list[str]]
"""What `ssh -G` prints: the values of each option, by its name in lower case."""

_LIMIT_S = 20.0
_AT_LINE = re.compile(r"(?P<file>.+?):? line (?P<line>\d+): (?P<what>.+)")
_BAD_OWNER = re.compile(r"Bad owner or permissions on (?P<file>.+)")
_CURE = "run as root: apt-get install openssh-client"


def configuration(host: str, user: str | None, port: int | None, *options: str) -> Configuration:
    """What OpenSSH would do for a host; what is said here wins over the files.

    Raises `ConfigError` or `UsageError` with OpenSSH's own words, `PrerequisiteError` where it is not installed.
    """
    argv = [*command(user, port), "-T", "-G"]
    for option in options:
        argv += ["-o", option]
    status, out, err = _ask([*argv, "--", host])
    if status != 0:
        raise _refusal(host, err)
    found: dict[str, list[str]] = {}
    for line in out.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key.lower(), []).append(value)
    return found


def command(user: str | None, port: int | None) -> list[str]:
    """The beginning of an `ssh` command line, to which its host belongs."""
    argv = ["ssh"]
    if named := os.environ.get(CONFIGURATION):
        argv += ["-F", named]
    if user:
        argv += ["-l", user]
    if port:
        argv += ["-p", str(port)]
    return argv


def expanded(text: str, host: str, user: str, port: int) -> Path:
    """The path of a file that the configuration names, its `~`, tokens and variables replaced as OpenSSH does."""
    if "%" in text or "${" in text:
        # OpenSSH prints this option alone expanded, and has the same tokens for all files.
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        text = configuration(host, user, port, f'IdentityAgent="{quoted}"').get("identityagent", [text])[0]
    return Path(_without_tilde(text))


def _without_tilde(text: str) -> str:
    """A path without `~`: OpenSSH takes the home of the user database and not $HOME."""
    if not text.startswith("~"):
        return text
    name, slash, rest = text[1:].partition("/")
    try:
        home = (pwd.getpwnam(name) if name else pwd.getpwuid(os.getuid())).pw_dir
    except (KeyError, ValueError):  # nobody of that name, or no name
        return text
    return f"{home}{slash}{rest}"


def known_lines(name: str, path: Path) -> list[list[str]]:
    """The lines of a known_hosts file that are about a host, as words; none of a file that is none or is not there."""
    if not _is_file(path):
        return []
    _status, out, _err = _ask(["ssh-keygen", "-F", name, "-f", _argument(path)])
    return [line.split() for line in out.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def fingerprint(path: Path) -> str:
    """The fingerprint (`SHA256:...`) of a key file's public half, without its passphrase; empty if there is none."""
    where = path if _is_file(path) else path.with_name(f"{path.name}.pub")
    if not _is_file(where):
        return ""
    status, out, _err = _ask(["ssh-keygen", "-l", "-E", "sha256", "-f", _argument(where)])
    return next((word for word in out.split() if word.startswith("SHA256:")), "") if status == 0 else ""


def certified_fingerprint(path: Path) -> str:
    """The fingerprint of the key that a certificate is for; empty if the file is none."""
    if not _is_file(path):
        return ""
    status, out, _err = _ask(["ssh-keygen", "-L", "-f", _argument(path)])
    said = next((line for line in out.splitlines() if line.strip().startswith("Public key:")), "")
    return next((word for word in said.split() if word.startswith("SHA256:")), "") if status == 0 else ""


def is_revoked(key: str, path: Path) -> bool:
    """Whether a RevokedHostKeys file has a key (type and base64); raises OSError if it cannot be read."""
    with path.open("rb") as file:
        is_binary = file.read(6) == b"SSHKRL"
        rest = b"" if is_binary else file.read(1 << 26)
    if not is_binary:
        return any(key.split()[1].encode() in line.split() for line in rest.splitlines())
    status, out, err = _ask(["ssh-keygen", "-Q", "-f", _argument(path), "/dev/stdin"], stdin=key)
    if status not in (0, 1) or "stdin" not in out:
        raise OSError(0, err.strip() or "not a list of revoked keys", str(path))
    return status == 1


def _is_file(path: Path) -> bool:
    """The same as pathlib's, but a name that no file can have (too long, a NUL) is none."""
    return os.path.isfile(path)  # noqa: PTH113


def _argument(path: Path) -> str:
    return os.path.join(".", path) if str(path).startswith("-") else str(path)  # noqa: PTH118


def _ask(argv: Sequence[str], stdin: str = "") -> tuple[int, str, str]:
    """Status, output and complaints of a program of OpenSSH; it ends with all that it has started."""
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except FileNotFoundError as error:
        raise PrerequisiteError(f"no {argv[0]} here: OpenSSH's client is not installed", hint=_CURE) from error
    except OSError as error:
        raise PrerequisiteError(f"{argv[0]} cannot be started: {error.strerror}") from error
    with process:
        try:
            out, err = process.communicate(f"{stdin}\n".encode() if stdin else None, timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise PrerequisiteError(
                f"{plain(' '.join(argv))}: no answer within {_LIMIT_S:g} s",
                hint="does a Match exec of the configuration wait for something?",
            ) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, os.fsdecode(out), os.fsdecode(err)


def _refusal(host: str, err: str) -> TestbedError:
    """OpenSSH's complaint as one line."""
    lines = [plain(line.strip()) for line in err.splitlines() if line.strip()] or ["no reason given"]
    hint = f"so says OpenSSH: ssh -G {host}"
    if found := _AT_LINE.fullmatch(lines[0]):
        return ConfigError(found["file"], int(found["line"]), found["what"], hint=hint)
    if found := _BAD_OWNER.fullmatch(lines[0]):
        return ConfigError(found["file"], None, lines[0], hint=f"run: chmod go-w {found['file']}, or chown it")
    return UsageError(f"host {host}: {'; '.join(lines)}", hint=hint)
