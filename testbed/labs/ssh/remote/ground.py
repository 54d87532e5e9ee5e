"""The ground on the other machine: where our things lie there, the toolkit's environment, and tidying up.

Its text is sent to the other machine's Python before anything of ours is there, so it uses the standard library
alone. It answers with one line of JSON, and gives up when its standard input ends: then we are gone.

    <cache>/ssh/toolkits/<sha256>/    the environment of a toolkit; whole once ready.json is in it
    <cache>/ssh/incoming/<owner>/     what is being sent
    <cache>/ssh/jobs/<owner>-<n>/     a job (`testbed.labs.ssh.remote.job`)

<cache> is the toolkit's own there (`testbed.kernel.cache`). An owner is one use of the lab by one process over here.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = "ssh"
TOOLKITS, INCOMING, JOBS = f"{FOLDER}/toolkits", f"{FOLDER}/incoming", f"{FOLDER}/jobs"
READY = "ready.json"
LOCK, CANCEL, LEASE, REQUEST, OUTPUT, STDIN, END = "lock", "cancel", "lease", "request.json", "out", "stdin", "end.json"
PYTHON = "{python}"
"""Stands for the interpreter's path in a job's argv: it is another one on each machine."""

BUNDLED = "/usr/local/lib/mptcp-lb-testbed/packages"
"""Where a machine that was made for us has the Python packages that the toolkit needs, and pip."""

BUILDERS, PACKAGES = "builders.txt", "packages.txt"
"""The requirement files that are sent with a toolkit: what builds packages, and what the toolkit needs."""

ENVIRONMENT_BYTES = 1_000_000_000
_TOOLKITS_KEPT = 3
_END_S = 40.0
_UNPACKED = re.compile(r"(analysis|experiments|testbed|topologies)/")

_children: list[subprocess.Popen[str]] = []
_starting = threading.Lock()


class Refusal(Exception):
    """Something in one line, with a cure; `kind` is the name of the error that it becomes over there."""

    def __init__(self, message: str, hint: str = "", kind: str = "PrerequisiteError") -> None:
        super().__init__(message)
        self.answer = {"kind": kind, "message": message, "hint": hint}


def cache_root() -> Path:
    """The toolkit's cache on this machine, as `testbed.kernel.cache` finds it."""
    if named := os.environ.get("TESTBED_CACHE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "mptcp-lb-testbed"


def describe(digest: str) -> dict[str, Any]:
    """What this machine is, and whether it has the toolkit with this SHA-256, unchanged."""
    root = cache_root()
    whole = is_whole(root / TOOLKITS / digest, digest)
    if whole:
        os.utime(root / TOOLKITS / digest)  # the latest ones are kept
    return {
        "python": list(sys.version_info[:2]),
        "machine": platform.machine(),
        "platform": platform.platform(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "cores": len(os.sched_getaffinity(0)),
        "host": platform.node(),
        "root": str(root),
        "toolkit": whole,
    }


def is_whole(folder: Path, digest: str) -> bool:
    """Whether an environment is finished and our files in it are those of its wheel."""
    try:
        ready = json.loads((folder / READY).read_text())
        wheel = next(folder.glob("*.whl"))
        packages = next(folder.glob("lib/python*/site-packages"))
        record = next(packages.glob("mptcp_lb_testbed-*.dist-info/RECORD"))
        if ready != {"sha256": digest} or _sha256(wheel).hexdigest() != digest:
            return False
        for name, wanted, _size in csv.reader(record.read_text().splitlines()):
            if _UNPACKED.match(name) and wanted:
                found = base64.urlsafe_b64encode(_sha256(packages / name).digest()).rstrip(b"=").decode()
                if wanted != f"sha256={found}":
                    return False
    except (OSError, ValueError, StopIteration):
        return False
    return True


def _sha256(path: Path) -> Any:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def prepare(owner: str) -> str:
    """Make our folders; returns the one for what this owner sends."""
    root = cache_root()
    _require_own(root)
    try:
        for name in (TOOLKITS, JOBS, f"{INCOMING}/{owner}"):
            (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal(f"{error.filename}: {error.strerror}", "make room there, or set TESTBED_CACHE there") from error
    return str(root / INCOMING / owner)


def _require_own(root: Path) -> None:
    """Refuse a cache in which others can change the programs that we start (as `testbed.kernel.cache`)."""
    try:
        state = root.stat()
    except OSError:
        return
    if state.st_uid not in (0, os.geteuid()) or state.st_mode & stat.S_IWOTH:
        raise Refusal(
            f"the cache {root} cannot be trusted: it belongs to another user, or everybody may write there",
            "set TESTBED_CACHE there to a directory that only you can write to",
        )


def require_space(needed_bytes: int, what: str, folder: str = FOLDER) -> int:
    """Free bytes in a folder of the cache; refuses if there are not that many."""
    place = cache_root() / folder
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise Refusal(
            f"{place} has {free / 1e6:.0f} MB free, {what} needs {needed_bytes / 1e6:.0f} MB",
            "make room there, or set TESTBED_CACHE there to a directory elsewhere",
        )
    return free


def install(digest: str, owner: str, name: str, offline: bool) -> bool:
    """Make the environment from the wheel `name` and the requirement files that were sent, and of them alone: pip
    neither looks for what they do not name nor builds with anything else. With `offline` it uses no index."""
    root = cache_root()
    folder, sent = root / TOOLKITS / digest, root / INCOMING / owner
    with _locked(root / TOOLKITS / f".lock-{digest}", wait=True):
        if is_whole(folder, digest):
            return True
        shutil.rmtree(folder, ignore_errors=True)
        require_space(ENVIRONMENT_BYTES, "the toolkit")
        if _sha256(sent / name).hexdigest() != digest:
            raise Refusal(f"{sent / name}: not what was sent", "try again", "LabError")
        if not _can_make_environments():
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise Refusal("it has no venv for its Python", f"run there, as root: apt-get install python{version}-venv")
        try:
            _make_environment(folder)
            shutil.copyfile(sent / name, folder / name)
            source = ["--no-index", "--find-links", str(sent)] if offline else ["--retries", "1", "--timeout", "15"]
            _pip_install(folder, *source, "--require-hashes", "-r", str(sent / BUILDERS))
            _pip_install(folder, *source, "--require-hashes", "-r", str(sent / PACKAGES))
            _pip_install(folder, "--no-index", str(folder / name))
            (folder / READY).write_text(json.dumps({"sha256": digest}))
            if not is_whole(folder, digest):
                raise Refusal(f"{folder}: not whole after pip", "try again", "LabError")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    _prune(root / TOOLKITS, digest)
    return True


def _make_environment(folder: Path) -> None:
    if not Path(BUNDLED).is_dir():
        _run([sys.executable, "-m", "venv", str(folder)])
        return
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    next(folder.glob("lib/python*/site-packages")).joinpath("bundled.pth").write_text(f"{BUNDLED}\n")


def _pip_install(folder: Path, *arguments: str) -> None:
    # Older versions of pip want to be told that a package which comes as source is built to a wheel like any other.
    always = [
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--use-pep517",
    ]
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", *always, *arguments])


def _can_make_environments() -> bool:
    return all(
        subprocess.run([sys.executable, "-c", f"import {name}"]).returncode == 0 for name in ("venv", "ensurepip")
    )


def _run(argv: list[str]) -> None:
    environment = {**os.environ, "PYTHONNOUSERSITE": "1"}
    environment.pop("PYTHONPATH", None)
    with _starting:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,
        )
        _children.append(child)
    said = child.communicate()[0]
    if child.returncode != 0:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if re.match(r"(ERROR|error|OSError|.*No space left)", line)] or lines
        no_space = any("No space left" in line for line in lines)
        what = "venv" if "venv" in argv else "pip"
        raise Refusal(
            f"{what} failed: {'No space left on device' if no_space else (errors or ['no message'])[-1]}",
            "make room there" if no_space else "",
            "PrerequisiteError" if no_space else "PipFailed",
        )


def _prune(toolkits: Path, digest: str) -> None:
    """Remove the environments that were not the latest for a while and that nobody uses."""
    others = [path for path in toolkits.glob("[!.]*") if path.name != digest]
    for folder in sorted(others, key=lambda path: path.stat().st_mtime)[: -(_TOOLKITS_KEPT - 1)]:
        _remove_toolkit(folder)


def _remove_toolkit(folder: Path) -> bool:
    lock = folder.with_name(f".lock-{folder.name}")
    with _locked(lock, wait=False) as mine:
        if mine:
            shutil.rmtree(folder, ignore_errors=True)
    return mine


def in_use(toolkit: Path) -> int:
    """A file descriptor that keeps others from removing an environment as long as it is open."""
    handle = os.open(toolkit.with_name(f".lock-{toolkit.name}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """The lock is ours until the block ends; False if somebody has it and we do not wait."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def sweep(dead: list[str], toolkits: bool) -> list[str]:
    """End and remove what the dead owners left, jobs that nobody has asked for in time, and half-made environments.

    With `toolkits`, the finished environments that nobody uses too. Returns what was removed.
    """
    root = cache_root()
    removed = []
    for job in sorted((root / JOBS).glob("*-*")):
        if job.name.rpartition("-")[0] in dead or _is_abandoned(job):
            end_job(job)
            removed.append(job)
    for sent in sorted((root / INCOMING).glob("*")):
        if sent.name in dead or time.time() - sent.stat().st_mtime > 86400:
            shutil.rmtree(sent, ignore_errors=True)
            removed.append(sent)
    for folder in sorted((root / TOOLKITS).glob("[!.]*")):
        if (toolkits or not (folder / READY).exists()) and _remove_toolkit(folder):
            removed.append(folder)
    for lock in (root / TOOLKITS).glob(".lock-*"):
        if not (root / TOOLKITS / lock.name.removeprefix(".lock-")).exists():
            with _locked(lock, wait=False) as mine:
                if mine:
                    lock.unlink(missing_ok=True)
    for empty in (TOOLKITS, INCOMING, JOBS, FOLDER):
        with contextlib.suppress(OSError):
            (root / empty).rmdir()
    return [str(path) for path in [*removed, *_remove_core_locks()]]


def _remove_core_locks() -> list[Path]:
    """Remove the locks of cores that nobody has, and their directory if that was all (as `testbed.labs.cores`)."""
    directory = Path(tempfile.gettempdir()) / f"mptcp-testbed-cores-{os.getuid()}"
    try:
        state = directory.lstat()
    except OSError:
        return []
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        return []
    for path in directory.glob("core-*"):
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)
    try:
        directory.rmdir()
    except OSError:
        return []
    return [directory]


def _is_abandoned(job: Path) -> bool:
    """Whether nothing runs, and nobody has asked for the job for as long as its lease."""
    try:
        lease_s = float(json.loads((job / REQUEST).read_text())["lease_s"])
        unheard_s = time.time() - (job / LEASE).stat().st_mtime
    except (OSError, ValueError, KeyError):
        lease_s, unheard_s = 86400.0, time.time() - job.stat().st_mtime
    if unheard_s <= lease_s:
        return False
    with _locked(job / LOCK, wait=False) as mine:
        return mine


def end_job(job: Path) -> None:
    """End a job's run if there is one, and remove its folder."""
    with contextlib.suppress(OSError):
        (job / CANCEL).touch()
    deadline = time.monotonic() + _END_S
    while job.is_dir():
        with _locked(job / LOCK, wait=False) as mine:
            if mine:
                shutil.rmtree(job, ignore_errors=True)
                return
        if time.monotonic() > deadline:
            # The lock is held, so its holder is alive and the number is its.
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((job / LOCK).read_text()), signal.SIGKILL)
        time.sleep(0.05)


def _give_up_without_us() -> None:
    """Ends this process, and what it started, when our side is gone."""
    while os.read(0, 65536):
        pass
    _starting.acquire()  # never given back: nothing is started from now on
    for child in _children:
        with contextlib.suppress(OSError):
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    os._exit(1)


ACTIONS: Mapping[str, Callable[..., Any]] = {
    "describe": describe,
    "prepare": prepare,
    "require_space": require_space,
    "install": install,
    "sweep": sweep,
}


def main(request: str) -> None:
    """Do what the request says and print the answer."""
    threading.Thread(target=_give_up_without_us, daemon=True).start()
    wanted = json.loads(request)
    try:
        answer = {"ok": ACTIONS[wanted["action"]](**wanted["arguments"])}
    except Refusal as refusal:
        answer = {"error": refusal.answer}
    except OSError as error:
        what = f"{error.filename or cache_root()}: {error.strerror}"
        answer = {"error": {"kind": "PrerequisiteError", "message": what, "hint": "make it right there"}}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)
