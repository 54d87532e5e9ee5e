"""What a worker's machine may lack, ready to be sent: the toolkit, the lab kernel, the library for large reads.

All are known by their content: the toolkit by the SHA-256 of its wheel, the kernel by the identity of its build, the
library by its source. A request names them; what it names and a machine lacks goes with it when it is made again.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from testbed.kernel.cache import Kernel
from testbed.labs.dask.remote.folder import KERNEL, LIBRARY
from testbed.labs.ssh import requirements, wheel


class Provisions:
    """This toolkit, a lab kernel and, once it is needed, the library."""

    def __init__(self, kernel: Kernel) -> None:
        self._wheel = wheel.toolkit()
        self._kernel = kernel
        self.toolkit_sha256 = self._wheel.sha256
        self.library: Path | None = None

    def names(self) -> dict[str, Any]:
        """What a request says of them."""
        library = None
        if self.library is not None:
            digest = hashlib.sha256(self.library.read_bytes()).hexdigest()
            library = {"name": self.library.parent.name, "sha256": digest, "machine": platform.machine()}
        return {
            "python_version": list(sys.version_info[:2]),
            "toolkit": self.toolkit_sha256,
            "wheel": self._wheel.name,
            "kernel": self._kernel.id,
            "library": library,
        }

    def blobs(self) -> dict[str, bytes]:
        """All of it; raises `PrerequisiteError` where what runs here is not what the lock describes."""
        library = {} if self.library is None else {LIBRARY: self.library.read_bytes()}
        return {self._wheel.name: self._wheel.content, **self._requirements, **self._kernel_files, **library}

    @cached_property
    def _requirements(self) -> dict[str, bytes]:
        return requirements.locked(wheel.pinned(wheel.RUNS_POINTS))

    @cached_property
    def _kernel_files(self) -> dict[str, bytes]:
        folder = self._kernel.image.parent
        paths = [folder / name for name in (self._kernel.manifest.image, "manifest.json", "config")]
        return {f"{KERNEL}/{path.name}": path.read_bytes() for path in paths if path.is_file()}
