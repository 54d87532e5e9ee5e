"""The catalogue of parts: what can be named in an experiment's file, ours, those of packages, and users' own files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.composition import REGISTRIES
from testbed.base import own_code
from testbed.base.errors import UsageError
from testbed.base.own_code import Code
from testbed.base.own_errors import BadCode
from testbed.base.parts import Part, summary
from testbed.base.registry import Registry

OURS = "ours"


@dataclass(frozen=True)
class Entry:
    """A part: its kind, its name in a file, where it is from (`ours`, `package NAME`, `file`), its class, its code.

    Ours have no `code`.
    """

    kind: str
    name: str
    origin: str
    part: type[Part]
    code: Code | None = None

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        return summary(self.part)

    @property
    def is_path(self) -> bool:
        """Whether it is named by its path."""
        return self.origin == "file"


@dataclass(frozen=True)
class Catalog:
    """The parts in order of their kinds, and a line on each that an installed package announces and that is none."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[Code, ...]:
        """The code of those that are not ours."""
        return tuple(entry.code for entry in self.entries if entry.code)

    def of(self, kind: str) -> list[Entry]:
        """The parts of one kind."""
        return [entry for entry in self.entries if entry.kind == kind]


def ours() -> Catalog:
    """The parts that come with the toolkit."""
    return Catalog(tuple(_ours()))


def everything(own: Sequence[Path] = ()) -> Catalog:
    """Our parts, those of installed packages, and the user's files `own`.

    Raises `UsageError`, in one line with the file's name, for a file that has no part in it.
    """
    problems: list[str] = []
    found = [*_ours(), *_installed(problems), *(entry for path in own for entry in _in_file(path))]
    kinds = list(REGISTRIES)
    return Catalog(tuple(sorted(found, key=lambda entry: kinds.index(entry.kind))), tuple(problems))


def _ours() -> Iterator[Entry]:
    for kind, registry in REGISTRIES.items():
        yield from (Entry(kind, each.name, OURS, each.part) for each in registry.all_ours())


def _installed(problems: list[str]) -> Iterator[Entry]:
    for kind, registry in REGISTRIES.items():
        for name, point in sorted(registry.installed().items()):
            package = point.dist.name if point.dist else point.module.partition(".")[0]
            try:
                found = registry.find(name)
                yield Entry(kind, name, f"package {package}", found.part, found.code)
            except BadCode as error:
                problems.append(f"the {kind} {name!r} of the package {package}: {error}")


def _in_file(path: Path) -> Iterator[Entry]:
    try:
        code = own_code.read_own(path)
        module = code.load()
        registries = [each for each in REGISTRIES.values() if _has_any(module.__dict__, module.__name__, each)]
        if not registries:
            bases = ", ".join(f"{each.base.__module__}.{each.base.__name__}" for each in REGISTRIES.values())
            raise BadCode(f"{path}: no part in it", f"a part is a class on top of one of: {bases}")
        for registry in registries:
            yield Entry(registry.kind, str(path), "file", registry.load(str(path), code).part, code)
    except BadCode as error:
        raise UsageError(str(error), hint=error.hint) from error


def _has_any(names: dict[str, Any], module: str, registry: Registry[Any]) -> bool:
    """Whether a module has a class of its own that wants to be such a part."""
    return any(
        isinstance(each, type) and issubclass(each, registry.base) and f"{each.__module__}.".startswith(f"{module}.")
        for each in names.values()
    )
