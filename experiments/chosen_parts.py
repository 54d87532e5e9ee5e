"""Which parts an experiment's file is made of: the classes that its tables name, ours and users' own.

What a file says wrong here is said before its tables are checked: without its parts nobody knows what keys they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from experiments.composition import REGISTRIES
from experiments.document import Document
from experiments.missing_keys import missing
from experiments.schema import VERSION, Settings
from experiments.toml_source import KeyPath
from experiments.words import not_one_of, shown
from testbed.base.own_code import Code
from testbed.base.own_errors import BadCode
from testbed.base.parts import KINDS, Part

AROUND_THE_SETTINGS = ("profile", "variant", "condition", "scheme")
"""Tables of a file that are no settings: other modules take them out before the schema sees the rest."""

_FROM_VERSION_1 = (
    f'write version = {VERSION}; for scenario = "load-balancer": [topology] part = "load-balancer", '
    'director = "ipvs-nat", [workload] part = "page-loads"; for scenario = "anycast": [topology] part = "anycast", '
    'director = "ecmp", [workload] part = "long-downloads"; for [churn]: [timetable] part = "rotation"; '
    "all of it: docs/experiments.md"
)


def of(document: Document) -> tuple[tuple[type[Part], ...], dict[str, Code]]:
    """The classes of the document's parts, one of each kind in order, and the code of users' own.

    Raises as `experiments.validation.validate`.
    """
    version = document.data.get("version")
    if version in (1, VERSION) and type(version) is not int:  # 2.0 and true are equal to numbers in Python
        raise document.error(("version",), f"version must be {VERSION}, not {shown(version)}")
    if version == 1:
        raise document.error(("version",), "this file is of version 1 of the format", hint=_FROM_VERSION_1)
    found: list[type[Part]] = []
    codes: dict[str, Code] = {}
    for kind in KINDS:
        registry = REGISTRIES[kind]
        value = document.value((kind,))
        if value is None:
            known = {*Settings.model_fields, *KINDS, *AROUND_THE_SETTINGS}
            raise missing(document, (), kind, known=known, hint=f"one of: {', '.join(registry.names())}")
        path = (kind, "part")
        name = document.value(path)
        if name is None:
            hint = f"one of: {', '.join(registry.names())}, or a file of your own"
            if not isinstance(value, Mapping):
                raise document.error((kind,), f"{kind} must be a table or a name", hint=hint)
            known = set().union(*keys_of_ours(kind).values())
            raise missing(document, (kind,), "part", known=known, place=f"[{kind}]", hint=hint)
        if not isinstance(name, str):
            raise document.error(path, f"{kind}.part must be a text in quotes, not {shown(name)}")
        try:
            part = registry.find(name, _folder(document, path))
        except LookupError:
            what, hint = not_one_of(f"{kind}.part", name, registry.names())
            raise document.error(path, what, hint=hint) from None
        except BadCode as error:
            raise document.error(path, str(error), hint=error.hint) from error
        found.append(part.part)
        if part.code:
            codes[kind] = part.code
    return tuple(found), codes


def _folder(document: Document, path: KeyPath) -> Path:
    """From where a path is meant: the file's own directory, or the current one for an option."""
    return Path() if document.origin(path).option else document.path.parent


def keys_of_ours(kind: str) -> dict[str, set[str]]:
    """By the name of each of our parts of that kind the keys of its table."""
    return {
        found.name: {field.alias or name for name, field in found.part.model_fields.items()}
        for found in REGISTRIES[kind].all_ours()
    }
