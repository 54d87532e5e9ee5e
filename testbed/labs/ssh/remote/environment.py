"""The toolkit's environment on the other machine: made from the wheel and the locked packages that were sent.

It uses the standard library alone: it is sent before anything of ours is there (`testbed.labs.ssh.remote.bootstrap`).
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from testbed.labs.ssh.remote import layout

SPACE_BYTES = 1_000_000_000
_TOOLKITS_KEPT = 3
_UNPACKED = re.compile(r"(analysis|experiments|testbed|topologies)/")

_children: list[subprocess.Popen[str]] = []
_starting = threading.Lock()


def is_whole(folder: Path, digest: str) -> bool:
    """Whether an environment is finished and our files in it are those of its wheel."""
    try:
        ready = json.loads((folder / layout.READY).read_text())
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


def install(digest: str, owner: str, name: str, offline: bool) -> bool:
    """Make the environment from the wheel `name` and the requirement files that were sent, and of them alone: pip
    neither looks for what they do not name nor builds with anything else. With `offline` it uses no index."""
    root = layout.cache_root()
    folder, sent = root / layout.TOOLKITS / digest, root / layout.INCOMING / owner
    with layout.locked(root / layout.TOOLKITS / f".lock-{digest}", wait=True):
        if is_whole(folder, digest):
            return True
        shutil.rmtree(folder, ignore_errors=True)
        layout.require_space(SPACE_BYTES, "the toolkit")
        if _sha256(sent / name).hexdigest() != digest:
            raise layout.Refusal(f"{sent / name}: not what was sent", "try again", "LabError")
        if not _can_make_environments():
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            cure = f"run there, as root: apt-get install python{version}-venv"
            raise layout.Refusal("it has no venv for its Python", cure)
        try:
            _make_environment(folder)
            shutil.copyfile(sent / name, folder / name)
            source = ["--no-index", "--find-links", str(sent)] if offline else ["--retries", "1", "--timeout", "15"]
            _pip_install(folder, *source, "--require-hashes", "-r", str(sent / layout.BUILDERS))
            _pip_install(folder, *source, "--require-hashes", "-r", str(sent / layout.PACKAGES))
            _pip_install(folder, "--no-index", str(folder / name))
            (folder / layout.READY).write_text(json.dumps({"sha256": digest}))
            if not is_whole(folder, digest):
                raise layout.Refusal(f"{folder}: not whole after pip", "try again", "LabError")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    _prune(root / layout.TOOLKITS, digest)
    return True


def _make_environment(folder: Path) -> None:
    if not Path(layout.BUNDLED).is_dir():
        _run([sys.executable, "-m", "venv", str(folder)])
        return
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    next(folder.glob("lib/python*/site-packages")).joinpath("bundled.pth").write_text(f"{layout.BUNDLED}\n")


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
    variables = {**os.environ, "PYTHONNOUSERSITE": "1"}
    variables.pop("PYTHONPATH", None)
    with _starting:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=variables,
            start_new_session=True,
        )
        _children.append(child)
    said = child.communicate()[0]
    if child.returncode != 0:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if re.match(r"(ERROR|error|OSError|.*No space left)", line)] or lines
        no_space = any("No space left" in line for line in lines)
        what = "venv" if "venv" in argv else "pip"
        raise layout.Refusal(
            f"{what} failed: {'No space left on device' if no_space else (errors or ['no message'])[-1]}",
            "make room there" if no_space else "",
            "PrerequisiteError" if no_space else "PipFailed",
        )


def end_children() -> None:
    """End what was started here; nothing is started from now on."""
    _starting.acquire()  # never given back
    for child in _children:
        with contextlib.suppress(OSError):
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)


def _prune(toolkits: Path, digest: str) -> None:
    """Remove the environments that were not the latest for a while and that nobody uses."""
    others = [path for path in toolkits.glob("[!.]*") if path.name != digest]
    for folder in sorted(others, key=lambda path: path.stat().st_mtime)[: -(_TOOLKITS_KEPT - 1)]:
        remove(folder)


def remove(folder: Path) -> bool:
    """Remove an environment, unless somebody uses it; whether it is gone."""
    lock = folder.with_name(f".lock-{folder.name}")
    with layout.locked(lock, wait=False) as mine:
        if mine:
            shutil.rmtree(folder, ignore_errors=True)
    return mine
