"""A kind of part and where its parts are: ours, those of installed packages, and a user's own file.

Ours are the modules of one package, a part each, found by looking: a new part is a new file, and is named nowhere else.
An installed package announces its parts as entry points (`testbed.directors`, `testbed.topologies`, ...). A user's own
part is named by its path, relative to the experiment's file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from testbed.base import own_code
from testbed.base.own_code import Code
from testbed.base.own_errors import BadCode
from testbed.base.own_imports import installed_package
from testbed.base.parts import Part, missing

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Found(Generic[P]):
    """A part that was found: its class, its name in an experiment's file, and its code if it is not ours."""

    part: type[P]
    name: str
    code: Code | None = None


@dataclass(frozen=True)
class Registry(Generic[P]):
    """The parts of a kind.

    `kind` is the table's name in an experiment's file, `base` what its parts are subclasses of, `package` where ours
    are. Modules there whose name begins with `_`, and those in `without`, are no parts.
    """

    kind: str
    base: type[P]
    package: str
    plural: str
    without: frozenset[str] = frozenset({"base"})

    @property
    def group(self) -> str:
        """The group of entry points in which packages announce theirs."""
        return f"testbed.{self.plural}"

    def ours(self) -> list[str]:
        """The names of our parts, in order."""
        paths = importlib.import_module(self.package).__path__
        modules = {each.name for each in pkgutil.iter_modules(paths) if not each.name.startswith("_")}
        return sorted(name.replace("_", "-") for name in modules - self.without)

    def installed(self) -> dict[str, EntryPoint]:
        """The parts of installed packages, by name; one of ours goes first."""
        # A quarter of a second that nobody pays who names no such part.
        from importlib.metadata import entry_points

        known = set(self.ours())
        return {each.name: each for each in entry_points(group=self.group) if each.name not in known}

    def names(self) -> list[str]:
        """Every part that can be named without a path."""
        return [*self.ours(), *sorted(self.installed())]

    def all_ours(self) -> Iterator[Found[P]]:
        """Our parts."""
        for name in self.ours():
            yield self.of_ours(name)

    def find_ours(self, name: str) -> Found[P]:
        """Our part of that name: no path is followed, and no package of others imported. Raises LookupError."""
        return _ours(self, name)

    def find(self, name: str, folder: Path | None = None) -> Found[P]:
        """The part of that name, or at that path (relative to `folder`).

        Raises LookupError for a name that there is not, and BadCode for a user's part that is none.
        """
        if is_path(name):
            return self.load(name, own_code.read_own((folder or Path()) / name))
        with suppress(LookupError):
            return self.find_ours(name)
        if name not in (installed := self.installed()):
            raise LookupError(name)
        return self.load(name, code_of(installed[name]))

    def load(self, name: str, code: Code) -> Found[P]:
        """The part in a user's code; raises BadCode."""
        return Found(self._only(code.load(), code.name), name, code)

    def of_ours(self, name: str) -> Found[P]:
        """The part in our module of that name, which there is; raises BadCode."""
        module = importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
        return Found(self._only(module, name), name)

    def _only(self, module: ModuleType, place: str) -> type[P]:
        """The one class of a module that is such a part."""
        found = [
            each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, self.base) and _is_from(each, module)
        ]
        # A base class that others in the file are made of is no part by itself.
        found = [each for each in found if not any(each in other.__mro__[1:] for other in found)]
        if len(found) != 1:
            names = ", ".join(each.__name__ for each in found) or "none"
            what = f"{place}: a {self.kind} is one class on top of {self.base.__module__}.{self.base.__name__}"
            raise BadCode(f"{what}; there: {names}")
        if lacking := ", ".join(missing(found[0])):
            raise BadCode(f"{place}: {found[0].__name__} lacks {lacking}", f"see {self.base.__module__}")
        if taken := ", ".join(self._taken(found[0])):
            raise BadCode(
                f"{place}: {found[0].__name__} has fields with names of its base's own: {taken}", "rename them"
            )
        return found[0]

    def _taken(self, part: type[P]) -> Iterator[str]:
        """The fields of a part that would hide a method, or another attribute, of its kind; or be another `part`."""
        for name, field in part.model_fields.items():
            is_the_name = name == "part" and field.annotation is str
            if field.alias == "part" or (not is_the_name and (name == "part" or hasattr(self.base, name))):
                yield name


@cache
def _ours(registry: Registry[Any], name: str) -> Found[Any]:
    """Our part of that name, looked for once: a plan of many points asks for the same few again and again."""
    if name not in registry.ours():
        raise LookupError(name)
    return registry.of_ours(name)


def is_path(name: str) -> bool:
    """Whether a part is named by its path."""
    return name.endswith(".py") or "/" in name


def code_of(entry: EntryPoint) -> Code:
    """The code that an entry point leads to: the whole package that it is in; raises BadCode."""
    place = installed_package(entry.module.partition(".")[0])
    if place is None:
        raise BadCode(f"{entry.name}: its package cannot be found: {entry.value}", "install it again")
    return own_code.read(place, entry.module)


def _is_from(part: type, module: ModuleType) -> bool:
    return part.__module__ == module.__name__ or part.__module__.startswith(f"{module.__name__}.")
