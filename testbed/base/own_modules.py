"""Modules that are executed from bytes which were read before, whatever lies on the disk by then.

A user's code is checked and hashed as it was read. Were it loaded by its path, Python would read it once more: another
version, the bytecode of another program in a `__pycache__`, or what a link in the package leads to.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source, spec_from_loader
from pathlib import Path, PurePosixPath
from types import CodeType, ModuleType


class Sources(MetaPathFinder, InspectLoader):
    """A module, or a package with its modules, from their sources.

    `name` is the module's name for Python, `path` where its file or directory lies (for `__file__` and error messages;
    it is not read), `contents` the files by their path below the directory that `path` lies in.
    """

    def __init__(self, name: str, path: Path, contents: Mapping[str, bytes]) -> None:
        self._sources: dict[str, tuple[Path, bytes, bool]] = {}
        for file, content in contents.items():
            if not file.endswith(".py"):
                continue
            inner = PurePosixPath(file).with_suffix("").parts[1:]
            is_package = inner[-1:] == ("__init__",)
            module = (name, *(inner[:-1] if is_package else inner))
            self._sources[".".join(module)] = (path.parent / file, content, is_package)
            for depth in range(1, len(module)):  # a directory without an __init__.py is a package as well
                place = path.joinpath(*module[1:depth], "__init__.py")
                self._sources.setdefault(".".join(module[:depth]), (place, b"", True))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of that name, if it is one of these; a package has no place on the disk to look further in."""
        del path, target
        if fullname not in self._sources:
            return None
        file, _, is_package = self._sources[fullname]
        spec = spec_from_loader(fullname, self, origin=str(file), is_package=is_package)
        if spec is not None:
            spec.has_location = True
        return spec

    def is_package(self, fullname: str) -> bool:
        """Whether it has modules below it; raises ImportError."""
        return self._of(fullname)[2]

    def get_source(self, fullname: str) -> str:
        """The text of a module; raises ImportError."""
        return decode_source(self._of(fullname)[1])

    def get_code(self, fullname: str) -> CodeType:
        """The module, compiled; raises SyntaxError and ImportError."""
        file, content, _ = self._of(fullname)
        code: CodeType = compile(content, str(file), "exec", dont_inherit=True)
        return code

    def install(self) -> None:
        """Let imports find these modules, before all others."""
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Forget these modules, and that they could be found."""
        sys.meta_path[:] = [each for each in sys.meta_path if each is not self]
        for name in self._sources:
            sys.modules.pop(name, None)

    def _of(self, fullname: str) -> tuple[Path, bytes, bool]:
        if fullname not in self._sources:
            raise ImportError(f"no module {fullname!r}", name=fullname)
        return self._sources[fullname]
