"""A user's own code: one Python file, or one package's directory, from outside the toolkit.

It is read within bounds, hashed, carried to where it is needed (`write`, `found`), and loaded from there. A part must
be whole by itself: an import of any other file of the user's is refused, because that file would be in no hash and in
no other lab. Whatever is wrong with it is a `BadCode`, in one line that names the file.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType

from testbed.base import files, run_directory
from testbed.base.errors import TestbedError, UsageError
from testbed.base.own_errors import BadCode, blamed_line, in_words
from testbed.base.own_imports import check_imports, installed_package
from testbed.base.own_modules import Sources

MOST_BYTES = 1 << 20
MOST_FILES = 200

_CODE = "__own_code__"
_OF_WRONG_VALUES = (ArithmeticError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)
"""What the toolkit stumbles with over a value that a part's method should not have returned."""


@dataclass(frozen=True)
class Code:
    """The user's code: where it lies, and its files as they were read, by their path below that place.

    `module` is the dotted name of an installed package's module; it is empty for a file that a user names by its path.
    """

    path: Path
    contents: Mapping[str, bytes]
    module: str = ""

    @property
    def name(self) -> str:
        """The file's, or the directory's, own name."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """SHA-256, in hexadecimal, over names and contents of its files."""
        total = hashlib.sha256()
        for name, content in sorted(self.contents.items()):
            total.update(os.fsencode(f"{name} {hashlib.sha256(content).hexdigest()}\n"))
        return total.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the files below `folder`; raises OSError."""
        for name, content in self.contents.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            files.write_bytes(target, content)

    def load(self, *, travels: bool = True) -> ModuleType:
        """The module; raises BadCode for what is not Python, or does not load.

        What `travels` to other labs must need no other file of the user's, or it is refused, too.
        """
        for name, content in sorted(self.contents.items()) if travels else ():
            if name.endswith(".py"):
                check_imports(name, content, self.module.partition(".")[0])
        if self.module:
            module = self._installed()
            module.__dict__[_CODE] = self
            sys.modules[_module_name(self.sha256)] = module
            return module
        name = _module_name(self.sha256)  # one name for one content: what is loaded twice is loaded once
        if name in sys.modules:
            return sys.modules[name]
        sources = Sources(name, self.path, self.contents)
        spec = sources.find_spec(name)
        if spec is None:
            raise BadCode(f"{self.name}: not a file of Python")
        module = importlib.util.module_from_spec(spec)
        module.__dict__[_CODE] = self
        sys.modules[name] = module  # its own classes look themselves up there
        sources.install()
        try:
            with _explained(self):
                sources.exec_module(module)
        except BaseException:
            sources.remove()
            raise
        return module

    def _installed(self) -> ModuleType:
        """The module of a package: the one that is installed, if it is the same, else this very one."""
        top = self.module.partition(".")[0]
        if top not in sys.modules and installed_package(top) != self.path:
            Sources(top, self.path, self.contents).install()
        with _explained(self), _without_bytecode():
            module = importlib.import_module(self.module)
        place = installed_package(top)
        if place != self.path and (place is None or read(place).sha256 != self.sha256):
            raise BadCode(f"{self.name}: Python has another {top!r}, at {place}", "give the package another name")
        return module


def recall(sha256: str) -> Code | None:
    """The code with this hash, if this process has loaded it: whoever named it trusts it."""
    module = sys.modules.get(_module_name(sha256))
    code = module.__dict__.get(_CODE) if module else None
    return code if isinstance(code, Code) and code.sha256 == sha256 else None


def loaded(name: str) -> list[Code]:
    """The code of that name that this process has loaded, in whatever version."""
    modules = [module for key, module in sys.modules.items() if key.startswith(_module_name(""))]
    codes = [module.__dict__.get(_CODE) for module in modules]
    return [code for code in codes if isinstance(code, Code) and code.name == name]


def read(path: Path, module: str = "") -> Code:
    """The code at `path`, a file or a package's directory; raises BadCode."""
    if path.is_dir():
        if not (path / "__init__.py").is_file():
            raise BadCode(f"{path}: no package: it has no __init__.py", "one file, or one package")
        # One more than there may be: a directory of a million files is not walked to its end.
        found = list(islice((file for file in _walk(path) if file.suffix != ".pyc"), MOST_FILES + 1))
    elif path.suffix != ".py":
        raise BadCode(f"{path}: not a file of Python (`.py`), nor a package's directory")
    else:
        found = [path]
    if len(found) > MOST_FILES:
        raise BadCode(f"{path}: it has more than {MOST_FILES} files")
    contents = {}
    for file in found:
        try:
            contents[str(file.relative_to(path.parent))] = files.read_bytes(file, MOST_BYTES)
        except (OSError, ValueError) as error:
            raise BadCode(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    return Code(path, contents, module)


def read_own(path: Path) -> Code:
    """The code that a user names by its path; raises BadCode, also for what lies in a run's directory."""
    try:
        path.stat()
    except OSError as error:  # a name too long for a file
        raise BadCode(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # Python's own words for it change with its versions
        raise BadCode(f"{path}: embedded null byte") from error
    if run := run_directory.run_around(path):
        raise BadCode(f"{path}: lies in the run directory {run}, from which nothing is executed", "copy it out")
    return read(path.resolve() if path.name in ("", "..") else path)  # these are no names


def found(folder: Path, module: str = "") -> Code:
    """The code that `write` has left in `folder`; raises BadCode if there is none."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    if len(entries) != 1:
        raise BadCode(f"{folder}: not a part's code")
    return read(entries[0], module)


@contextmanager
def explained(codes: Iterator[Code] | list[Code] | tuple[Code, ...]) -> Iterator[None]:
    """What goes wrong inside these files is a `UsageError` of one line, with the file and the line in it."""
    places = {code.path.resolve(): code for code in codes}
    try:
        yield
    except TestbedError:
        raise
    except (Exception, SystemExit) as error:
        for path, code in places.items():
            if (line := blamed_line(error, path)) is not None:
                raise UsageError(f"{_place(code, *line)}: {in_words(error)}") from error
        if places and isinstance(error, _OF_WRONG_VALUES):
            names = ", ".join(dict.fromkeys(code.name for code in places.values()))
            frame = [each for each in traceback.extract_tb(error.__traceback__) if "-packages" not in each.filename][-1]
            what = f"{names}: {in_words(error)} ({Path(frame.filename).name}:{frame.lineno})"
            raise UsageError(what, hint="a method or an attribute is not what its kind asks for") from error
        raise


@contextmanager
def _explained(code: Code) -> Iterator[None]:
    try:
        yield
    except SyntaxError as error:
        name = Path(error.filename or code.name).name
        raise BadCode(f"{name}:{error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        line = blamed_line(error, code.path.resolve())
        raise BadCode(f"{_place(code, *line) if line else code.name}: {in_words(error)}") from error


def _module_name(sha256: str) -> str:
    return f"_own_{sha256[:16]}"


def _place(code: Code, file: Path, line: int | None) -> str:
    path = code.path.resolve()
    return f"{code.name if file == path else Path(code.name) / file.relative_to(path)}:{line}"


def _walk(folder: Path) -> Iterator[Path]:
    """The files of a package, in order; never through a link to a directory."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(place) / name


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Leave no `__pycache__` beside a user's file."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
