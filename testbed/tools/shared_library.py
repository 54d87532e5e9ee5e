"""A shared library of the toolkit's own: one file of C, compiled once, and found in the cache by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.base.errors import CommandError, PrerequisiteError
from testbed.process import run

if TYPE_CHECKING:
    from testbed.kernel.cache import Cache

_COMPILE = ("gcc", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra")
_LIMIT_S = 120.0


@dataclass(frozen=True)
class SharedLibrary:
    """A library by its file name and its source; `options` are for gcc, `what` is for people, and so is `cure`."""

    name: str
    source: Path
    what: str
    cure: str
    options: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """What it is called in the cache: a hash over its source and how it is compiled."""
        said = " ".join((*_COMPILE, *self.options)).encode() + b"\n" + self.source.read_bytes()
        return hashlib.sha256(said).hexdigest()[:12]

    def find(self, cache: Cache) -> Path | None:
        """The library in the cache, None if it is not there."""
        path = cache.libraries / self.identity / self.name
        return path if path.is_file() else None

    def ensure(self, cache: Cache) -> Path:
        """The library in the cache, built if it is not there; raises `PrerequisiteError` where it cannot be."""
        if found := self.find(cache):
            return found
        identity = self.identity
        cache.prepare()
        store = cache.library_artifacts
        with store.lock(identity, lambda: None):
            if found := self.find(cache):
                return found
            with store.building(identity) as area:
                (area / "whole").mkdir()
                self._compile(area / "whole" / self.name)
                store.publish(area / "whole", identity)
        return cache.libraries / identity / self.name

    def _compile(self, target: Path) -> None:
        try:
            run([*_COMPILE, *self.options, "-o", target, self.source], timeout_s=_LIMIT_S)
        except CommandError as error:
            why = error.stderr.strip().splitlines()[:1] or [error.message]
            what = "gcc is not installed" if error.status is None else f"gcc says: {why[0]}"
            raise PrerequisiteError(f"{self.what} cannot be built: {what}", hint=self.cure) from error
