"""A user's own code: one Python file, or one package's directory, from outside the toolkit.

It is read within bounds, hashed, carried to where it is needed (`write`, `found`), and loaded from there. A part must
be whole by itself: an import of any other file of the user's is refused, because that file would be in no hash and in
no other lab. Whatever is wrong with it is a `BadCode`, in one line that names the file.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from testbed.base import files, run_directory
from testbed.base.errors import TestbedError, UsageError
from testbed.base.own_modules import Sources
from testbed.base.text import plain
from testbed.base.validation import first_problem

MOST_BYTES = 1 << 20
MOST_FILES = 200

_CODE = "__own_code__"
_TOOLKIT = frozenset({"analysis", "experiments", "testbed", "topologies"})


_OF_WRONG_VALUES = (ArithmeticError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)
"""What the toolkit stumbles with over a value that a part's method should not have returned."""


class BadCode(ValueError):
    """What is wrong with a user's file, and what to do about it (`hint`)."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


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

    def load(self) -> ModuleType:
        """The module; raises BadCode for what is not Python, does not load, or needs another file of the user's."""
        for name, content in sorted(self.contents.items()):
            if name.endswith(".py"):
                _check_imports(name, content, self.module.partition(".")[0])
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
            raise BadCode(f"{path}: no package: it has no __init__.py", "a part is one file or one package")
        # One more than there may be: a directory of a million files is not walked to its end.
        found = list(islice((file for file in _walk(path) if file.suffix != ".pyc"), MOST_FILES + 1))
    elif path.suffix != ".py":
        raise BadCode(f"{path}: a part is a file of Python, or a package's directory")
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
    except (OSError, ValueError) as error:  # a name too long for a file, or with a NUL
        raise BadCode(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if run := run_directory.run_around(path):
        raise BadCode(f"{path}: lies in the run directory {run}, from which nothing is executed", "copy it out")
    return read(path.resolve() if path.name in ("", "..") else path)  # these are no names


def found(folder: Path, module: str = "") -> Code:
    """The code that `write` has left in `folder`; raises BadCode if there is none."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    if len(entries) != 1:
        raise BadCode(f"{folder}: not a part's code")
    return read(entries[0], module)


def installed_package(name: str) -> Path | None:
    """Where the installed package or module of that name lies; nothing is imported for it."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


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
            if (line := _blamed_line(error, path)) is not None:
                raise UsageError(f"{_place(code, *line)}: {_what(error)}") from error
        if places and isinstance(error, _OF_WRONG_VALUES):
            names = ", ".join(dict.fromkeys(code.name for code in places.values()))
            frame = [each for each in traceback.extract_tb(error.__traceback__) if "-packages" not in each.filename][-1]
            what = f"{names}: {_what(error)} ({Path(frame.filename).name}:{frame.lineno})"
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
        line = _blamed_line(error, code.path.resolve())
        raise BadCode(f"{_place(code, *line) if line else code.name}: {_what(error)}") from error


def _module_name(sha256: str) -> str:
    return f"_own_{sha256[:16]}"


def _what(error: BaseException) -> str:
    text = plain(first_problem(error) if isinstance(error, ValidationError) else error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _blamed_line(error: BaseException, path: Path) -> tuple[Path, int | None] | None:
    """The last line of the code at `path` that the error went through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if file == path or path in file.parents:
            return file, frame.lineno
    return None


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


def _check_imports(name: str, content: bytes, package: str) -> None:
    """Raise BadCode for an import of what is neither the code itself, nor the toolkit, Python or installed."""
    try:
        tree = ast.parse(content, filename=name)
    except SyntaxError as error:
        raise BadCode(f"{name}:{error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # bytes that are no text, a NUL; too many brackets
        raise BadCode(f"{name}: {_what(error)}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            wanted = [node.module]
        elif isinstance(node, ast.ImportFrom) and node.level >= len(Path(name).parts):
            raise BadCode(f"{name}:{node.lineno}: imports from outside of it", _WHOLE)
        else:
            continue
        for each in wanted:
            top = each.partition(".")[0]
            if top != package and not _is_at_hand(top):
                raise BadCode(f"{name}:{node.lineno}: imports {each!r}, which is not part of it", _WHOLE)


_WHOLE = "a part is one file or one package directory: it may use Python's library, the toolkit and what that needs"


def _is_at_hand(top: str) -> bool:
    if top in sys.stdlib_module_names or top in _TOOLKIT:
        return True
    place = installed_package(top)
    places = [sysconfig.get_path(each) for each in ("purelib", "platlib")]
    places += [*site.getsitepackages(), site.getusersitepackages()]
    return place is not None and any(Path(each) in place.parents for each in places)


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Leave no `__pycache__` beside a user's file."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
