"""Schemes: named sets of settings of `[mptcp]`, of the toolkit's own file, an experiment's, or a file of the user's.

Each is a `[scheme.NAME]` table. Its settings stand between those of the experiment's profile and those of a condition
or a `--set`; what a scheme does not say is as the experiment says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from experiments import toml_source
from experiments.document import Document, from_source, table_of
from experiments.validation import checked
from experiments.words import did_you_mean
from testbed.base.errors import UsageError
from testbed.base.quantities import Text
from testbed.base.table import Table
from testbed.net.mptcp_settings import Mptcp

BUILT_IN = Path(__file__).with_name("schemes.toml")

ALL = "all"
"""Instead of a name: all schemes that an experiment offers."""

LONGEST_LABEL = 48
_LONGEST_DESCRIPTION = 400
_NAME = re.compile(r"[a-z][a-z0-9-]{0,47}\Z")


def _has_letters(label: str) -> str:
    if not re.search(r"[A-Za-z0-9]", label):
        raise ValueError("must have letters or digits")
    return label


class SchemeTable(Table):
    """A named set of settings of `[mptcp]`, which `schemes` and `--scheme` name."""

    label: Annotated[Text, Field(min_length=1, max_length=LONGEST_LABEL), AfterValidator(_has_letters)] = Field(
        description="Its name in tables and figures."
    )
    description: Annotated[Text, Field(max_length=_LONGEST_DESCRIPTION)] = Field(
        default="", description="What it is, in a sentence."
    )
    mptcp: Mptcp = Field(default=Mptcp(), description="Its settings; the others are those of the experiment.")


@dataclass(frozen=True)
class Scheme:
    """A scheme by its name: how a figure calls it, what it is, and the settings that it overrides.

    `values` and `table` are as of any table that overrides: `{"mptcp": {...}}`, and where it was written.
    """

    name: str
    label: str
    description: str
    values: Mapping[str, object]
    table: Document

    @property
    def settings(self) -> list[str]:
        """Its settings as its table has them: `lb_mode = "backup"`."""
        mptcp = self.values["mptcp"]
        assert isinstance(mptcp, Mapping)
        return [f"{name} = {json.dumps(value)}" for name, value in mptcp.items()]

    def applied_to(self, document: Document) -> Document:
        """The document, overridden."""
        return document.overridden(self.values, self.table)


def built_in() -> dict[str, Scheme]:
    """The schemes of the toolkit, by name."""
    return of_file(BUILT_IN)


def of_file(path: Path) -> dict[str, Scheme]:
    """The schemes of a file that has nothing else; raises ConfigError with `file:line`."""
    source = toml_source.read(path)
    whole = from_source(source)
    for key in source.data:  # not of the document, which has tables that nobody wrote
        if key != "scheme":
            what = f"unknown key {key[:LONGEST_LABEL]!r}: a file of schemes has tables [scheme.NAME] only"
            raise whole.error((key,), what)
    if not (found := of_document(whole)):
        raise whole.error((), "no scheme in it: they are tables [scheme.NAME]")
    return found


def of_document(whole: Document) -> dict[str, Scheme]:
    """The schemes that a document has; raises ConfigError with `file:line`."""
    tables = whole.data.get("scheme", {})
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise whole.error(("scheme",), "scheme must be tables, each under a [scheme.NAME]")
    found: dict[str, Scheme] = {}
    for name in tables:
        if not _NAME.match(name) or name == ALL:
            what = f"scheme {name[: LONGEST_LABEL + 1]!r}: a name has lower-case letters, digits and '-', 48 at most"
            raise whole.error(("scheme", name), f"{what}, a letter first, and is not {ALL!r}")
        table = table_of(whole, "scheme", name)
        said = checked(table, SchemeTable)
        values = {"mptcp": table.data.get("mptcp", {})}
        found[name] = Scheme(name, said.label, said.description, values, table)
    return found


def known(whole: Document, files: Iterable[Path] = ()) -> dict[str, Scheme]:
    """The schemes that an experiment can be run with: the toolkit's, those of its own file, and those of other files.

    Raises ConfigError, with `file:line`, for two with one name or one label.
    """
    found = built_in()
    labels = {scheme.label: name for name, scheme in found.items()}
    for more in (of_document(whole), *map(of_file, files)):
        for name, scheme in more.items():
            if name in found:
                what = f"there is a scheme {name!r} already, {_place(found[name])}"
                raise scheme.table.error((), what, hint="give it another name")
            if scheme.label in labels:
                what = f"label: the scheme {labels[scheme.label]!r} is called {scheme.label!r} already"
                raise scheme.table.error(("label",), what)
            found[name], labels[scheme.label] = scheme, name
    return found


def chosen(asked: Sequence[str], offered: Sequence[str], schemes: Mapping[str, Scheme]) -> list[Scheme]:
    """The schemes that are asked for, each once: by default the first that is offered, for `all` those that are.

    Raises UsageError for one that there is not.
    """
    names: dict[str, None] = {}
    for name in asked or offered[:1]:
        if name != ALL and name not in schemes:
            raise UsageError(f"no scheme {name!r}", hint=did_you_mean(name, (*schemes, ALL), "the schemes are"))
        names |= dict.fromkeys(offered if name == ALL else (name,))
    return [schemes[name] for name in names]


def _place(scheme: Scheme) -> str:
    return "the toolkit's own" if scheme.table.path == BUILT_IN else f"in {scheme.table.path}"
