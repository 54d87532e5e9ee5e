"""The command line with a lab VM in a directory of its own, and a count of everything that belongs to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.labs.vm.state import FOLDER
from testbed.labs.vm.user_namespace import mounts_below

REPOSITORY = Path(__file__).parents[3]
PAGE = REPOSITORY / "docs" / "labs" / "vm.md"


@dataclass(frozen=True)
class Vm:
    """`place` is where the machine has its directory, `work` where commands run; the kernels' cache is the user's."""

    place: Path
    work: Path

    @property
    def folder(self) -> Path:
        """The machine's directory."""
        return self.place / FOLDER

    @property
    def environment(self) -> dict[str, str]:
        """What the commands are run with."""
        return {**os.environ, "TESTBED_VM": str(self.place), "TMPDIR": str(self.work / "tmp")}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that is under way."""
        argv = [sys.executable, "-m", "experiments", *arguments]
        return subprocess.Popen(
            argv, cwd=self.work, env=self.environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def testbed(self, *arguments: str, limit_s: float = 900.0) -> subprocess.CompletedProcess[str]:
        """A command run to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=limit_s)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def ok(self, *arguments: str) -> str:
        """What a command printed that must succeed."""
        done = self.testbed(*arguments)
        assert done.returncode == 0, (arguments, done.returncode, done.stderr[-2000:])
        return done.stdout

    def processes(self) -> dict[int, str]:
        """The processes that were started with our environment, or are in our directory, with their commands."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environment = (folder / "environ").read_bytes().split(b"\0")
                is_inside = any((folder / name).readlink().is_relative_to(self.folder) for name in ("cwd", "root"))
                if f"TESTBED_VM={self.place}".encode() in environment or is_inside:
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def mounts(self) -> list[Path]:
        """What is mounted in our directory."""
        return mounts_below(self.folder, Path("/proc/self/mountinfo").read_text())


def commands() -> Iterator[str]:
    """The commands of the lab's page, in order."""
    block = PAGE.read_text(encoding="utf-8").split("```sh\n", 1)[1].split("```", 1)[0]
    for line in block.replace("\\\n", " ").splitlines():
        yield line.partition("#")[0].strip()
