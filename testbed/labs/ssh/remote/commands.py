"""Short remote calls on the other machine, once the toolkit is there: a JSON request in, a JSON answer out.

`python -m testbed.labs.ssh.remote.commands TOOLKIT SECONDS` answers each line of its standard input with one, until it
ends.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import select
import shutil
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from testbed import doctor
from testbed.base.errors import CommandError, LabError, PrerequisiteError, TestbedError
from testbed.base.needs import Need
from testbed.debian_packages import TOOLS, package_versions
from testbed.kernel.cache import Cache, Manifest
from testbed.labs.base import ProbedLab
from testbed.labs.ssh.remote import cleanup, job, layout, protocol
from testbed.process import run
from testbed.tools import large_reads

_CURE = "install the Debian packages there"


def has_kernel(kernel: str) -> bool:
    """Whether the lab kernel with this identity is in the cache."""
    return Cache(layout.cache_root()).load(kernel) is not None


def install_kernel(kernel: str, sent: str) -> bool:
    """Put a lab kernel that was sent into the cache, if it is whole and this machine can run it."""
    cache, folder = Cache(layout.cache_root()), Path(sent)
    cache.prepare()
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    image = folder / manifest.image
    with image.open("rb") as file:
        if manifest.id != kernel or hashlib.file_digest(file, "sha256").hexdigest() != manifest.image_sha256:
            raise LabError("the lab kernel did not arrive as it was sent", hint="try again")
    image.chmod(0o755)
    try:
        run([image, "--version"], timeout_s=30)
    except CommandError as error:
        raise PrerequisiteError(
            f"the lab kernel of the other side does not run here: {error.message}",
            hint="build and run from a machine with an older or the same C library, or use ssh:HOST/local",
        ) from error
    with cache.kernel_artifacts.lock(kernel, lambda: None):
        if cache.load(kernel) is None:
            with cache.kernel_artifacts.building(kernel) as area:
                shutil.copytree(folder, area / "whole")
                cache.kernel_artifacts.publish(area / "whole", kernel)
    shutil.rmtree(folder)
    return True


def has_library(library: str) -> bool:
    """Whether the library for large reads with this identity is in the cache."""
    found = large_reads.find(Cache(layout.cache_root()))
    return found is not None and found.parent.name == library


def install_library(library: str, sent: str, sha256: str) -> bool:
    """Put a library that was sent into the cache, if it is whole and this machine's programs can load it."""
    cache, file = Cache(layout.cache_root()), Path(sent)
    if library != large_reads.identity() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        raise LabError("the library for large reads did not arrive as it was sent", hint="try again")
    try:
        run([sys.executable, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", file], timeout_s=30)
    except CommandError as error:
        raise PrerequisiteError(
            "the library for large reads of the other side cannot be loaded here: "
            + (error.stderr.strip().splitlines() or [error.message])[-1],
            hint="run from a machine with an older or the same C library, or with --set workload.large_reads=false",
        ) from error
    cache.prepare()
    with cache.library_artifacts.lock(library, lambda: None):
        if large_reads.find(cache) is None:
            with cache.library_artifacts.building(library) as area:
                (area / "whole").mkdir()
                shutil.copyfile(file, area / "whole" / large_reads.NAME)
                cache.library_artifacts.publish(area / "whole", library)
    file.unlink()
    return True


def build_library(library: str) -> bool:
    """Build the library here; raises `PrerequisiteError` where that cannot be done."""
    return large_reads.ensure(Cache(layout.cache_root())).parent.name == library


def facts(lab: str, kernel: str) -> dict[str, Any]:
    """What a run's record says of this machine."""
    with job.open_lab_for(lab, kernel) as here:
        mine = dict(here.facts())
        clocks, width = here.clocks, here.width
    host = {"platform": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()}
    return {
        "facts": {**mine, "host": host, "tools": package_versions(TOOLS)},
        "clocks": clocks,
        "width": width,
    }


def check(lab: str, kernel: str, boot: bool) -> list[dict[str, Any]]:
    """What the doctor says of this machine."""
    if lab == "uml":
        wanted = Cache(layout.cache_root()).load(kernel)
        os.chdir(layout.cache_root())  # it is the disk that matters
        checks = [*doctor.examine(kernel=wanted, boot=boot, cure=_CURE)]
    else:
        checks = [doctor.packages()]
    return [dataclasses.asdict(each) for each in checks]


def probe(lab: str, kernel: str, needs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the lab here has of each need."""
    wanted = TypeAdapter(list[Need]).validate_python(needs)
    with job.open_lab_for(lab, kernel) as here:
        found = here.probe(wanted) if isinstance(here, ProbedLab) else []
    return [dataclasses.asdict(each) for each in found]


def contents(name: str) -> dict[str, Any]:
    """What is in a job's output directory (see `listing`)."""
    return listing(layout.cache_root() / layout.JOBS / name / layout.OUTPUT)


def listing(out: Path) -> dict[str, Any]:
    """What is in a directory: files with size, SHA-256 and mode, links, directories."""
    listed: dict[str, Any] = {"files": [], "links": [], "directories": []}
    for folder, directories, files in os.walk(out):
        for each in (*directories, *files):
            path = Path(folder, each)
            relative = str(path.relative_to(out))
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                listed["links"].append([relative, os.readlink(path)])  # noqa: PTH115
            elif stat.S_ISDIR(mode):
                listed["directories"].append(relative)
            elif stat.S_ISREG(mode):
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                listed["files"].append([relative, path.stat().st_size, digest, stat.S_IMODE(mode)])
    return listed


def remove(name: str) -> bool:
    """End the job if it runs, and remove all of it."""
    cleanup.end_job(layout.cache_root() / layout.JOBS / name)
    return True


ACTIONS: Mapping[str, Callable[..., Any]] = {
    "has_kernel": has_kernel,
    "install_kernel": install_kernel,
    "has_library": has_library,
    "install_library": install_library,
    "build_library": build_library,
    "facts": facts,
    "check": check,
    "probe": probe,
    "contents": contents,
    "remove": remove,
}


def main() -> None:
    """Answer requests until there are no more, or none comes for so many seconds: the connection may be long dead."""
    handle = layout.in_use(Path(sys.argv[1]))
    idle_s = float(sys.argv[2])
    # Unbuffered: each request is one line, and the next one comes after the answer.
    requests = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
    while select.select([requests], [], [], idle_s)[0] and (line := requests.readline()):
        wanted = json.loads(line)
        try:
            answer: dict[str, Any] = {"ok": ACTIONS[wanted["action"]](**wanted["arguments"])}
        except (TestbedError, OSError, ValueError) as error:
            answer = {"error": protocol.error_to_json(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    os.close(handle)


if __name__ == "__main__":
    main()
