"""The toolkit as somebody has it who installed the wheel: an environment of its own, and no checkout in sight."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from testbed.labs.ssh.wheel import pinned

CHECKOUT = Path(__file__).resolve().parents[3]
PACKAGES = ("analysis", "experiments", "testbed", "topologies")
_BUILT_FROM = (*PACKAGES, "docs", "kernel-patches", "LICENSE", "README.md", "pyproject.toml", "setup.cfg")
_BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the toolkit, and the directory in which its user stands."""

    folder: Path
    cwd: Path

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """One of its programs, from the user's directory, with nothing of the checkout in its environment."""
        variables = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        argv = [str(self.folder / "bin" / program), *map(str, arguments)]
        return subprocess.run(argv, cwd=self.cwd, env=variables, capture_output=True, text=True, timeout=120)


def build(folder: Path) -> Path:
    """The wheel of the checkout, built from a copy of it: setuptools leaves files where it builds."""
    source, target = folder / "source", folder / "dist"
    source.mkdir()
    for name in _BUILT_FROM:
        if (CHECKOUT / name).is_dir():
            junk = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(CHECKOUT / name, source / name, symlinks=True, ignore=junk)
        else:
            shutil.copyfile(CHECKOUT / name, source / name)
    subprocess.run([sys.executable, "-c", _BUILD, target], cwd=source, check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, extras: str = "") -> Path:
    """An environment with the wheel, and of all other packages just those that it needs, with these extras.

    They are this environment's files under further names, so that nothing is fetched, nor seen elsewhere in a guest.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", wheel], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    _link(pinned(f"mptcp-lb-testbed{extras}"), packages)
    subprocess.run([*pip, "check"], check=True, capture_output=True)
    return folder


def _link(names: Iterable[str], packages: Path) -> None:
    for name in names:
        files = metadata.distribution(name).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            found = Path(str(metadata.distribution(name).locate_file(top)))
            if found.is_dir():
                shutil.copytree(found, packages / top, copy_function=_same, dirs_exist_ok=True)
            else:
                _same(found, packages / top)


def _same(source: str | Path, target: str | Path) -> None:
    with contextlib.suppress(FileExistsError):
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copy2(source, target)
