"""What a user's own code may import: itself, the toolkit, Python's library, and what is installed."""

from __future__ import annotations

import ast
import importlib.util
import site
import sys
import sysconfig
from pathlib import Path

from testbed.base.own_errors import BadCode, in_words

_TOOLKIT = frozenset({"analysis", "experiments", "testbed", "topologies"})
_WHOLE = "a part is one file or one package directory: it may use Python's library, the toolkit and what that needs"


def check_imports(name: str, content: bytes, package: str) -> None:
    """Raise BadCode for an import of what is neither the code itself, nor the toolkit, Python or installed.

    `name` is the file's place below what the code lies in, `package` the installed package that it is in, if any.
    """
    try:
        tree = ast.parse(content, filename=name)
    except SyntaxError as error:
        raise BadCode(f"{name}:{error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # bytes that are no text, a NUL; too many brackets
        raise BadCode(f"{name}: {in_words(error)}") from error
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
            top, _, inner = each.partition(".")
            if top == package or is_at_hand(top):
                continue
            if (top,) == Path(name).parts[:-1][:1]:
                what = f"{name}:{node.lineno}: imports {each!r}: the package does not have its name where it runs"
                raise BadCode(what, f"name its modules by their place: from . import {inner or 'NAME'}")
            raise BadCode(f"{name}:{node.lineno}: imports {each!r}, which is not part of it", _WHOLE)


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


def is_at_hand(top: str) -> bool:
    """Whether a module of that name is Python's, the toolkit's or an installed package's."""
    if top in sys.stdlib_module_names or top in _TOOLKIT:
        return True
    place = installed_package(top)
    places = [sysconfig.get_path(each) for each in ("purelib", "platlib")]
    places += [*site.getsitepackages(), site.getusersitepackages()]
    return place is not None and any(Path(each) in place.parents for each in places)
