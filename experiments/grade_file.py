"""A teacher's file of claims: what a student's run must show, and seeds that the student never saw.

`[claim.ID]` tables, and `[hidden]`. A claim is a bound on a quantity of some points, alone or beside others: no digits
are compared, for another seed or kernel would have other ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from experiments import toml_source
from experiments.document import Document, from_source, table_of
from experiments.validation import checked
from testbed.base.quantities import Text
from testbed.base.table import Table

Quantity = Literal[
    "goodput_mbps",
    "share_of_wire_percent",
    "requests_per_s",
    "complete_requests",
    "failed_requests",
    "failed_percent",
    "connections",
    "joined_percent",
    "bypass_percent",
    "resets",
    "resets_received",
]
"""What can be claimed of a point; `experiments.api.grading` has what each is."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,47}\Z")
_MOST_SEEDS = 100
_WHOLE = 100.0
_Listed = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
_Points = dict[str, str | bool | int | float]


class ClaimTable(Table):
    """A claim: in every seed, the quantity of each of the points keeps the bounds."""

    says: Annotated[Text, Field(min_length=1, max_length=400)] = Field(description="The claim, in a sentence.")
    value: Quantity = Field(description="The quantity.")
    of: _Points = Field(default={}, description="Which points: what their summary, parts or parameters must be.")
    relative_to: _Points | None = Field(
        default=None, description="Other points: the value is the ratio to theirs, of the same seed and object size."
    )
    at_least: float | None = Field(default=None, description="The smallest value that will do.")
    at_most: float | None = Field(default=None, description="The largest.")
    worth: Annotated[float, Field(gt=0, le=1000)] = Field(default=1.0, description="How many marks it is worth.")
    hint: Annotated[Text, Field(max_length=400)] = Field(default="", description="Told where it does not hold.")


class HiddenTable(Table):
    """What the student's experiment is run again with, so that nothing of the run but its settings is believed."""

    seeds: Annotated[tuple[Annotated[int, Field(ge=0, le=2**31)], ...], _Listed] = Field(description="The seeds.")
    set: Annotated[tuple[Text, ...], _Listed] = Field(
        default=(), description="Settings as for `testbed run --set`; only where the experiment's file is graded."
    )


@dataclass(frozen=True)
class GradeFile:
    """The claims by their names, what is hidden (None: nothing), and the document that they stand in."""

    title: str
    claims: Mapping[str, ClaimTable]
    hidden: HiddenTable | None
    document: Document


def read(path: Path) -> GradeFile:
    """The file's claims; raises ConfigError with `file:line`."""
    whole = from_source(toml_source.read(path))
    for key in whole.data:
        if key not in ("title", "claim", "hidden"):
            hint = "it has a title, tables [claim.NAME], and [hidden]"
            raise whole.error((key,), f"unknown key {key[:48]!r} in a file of claims", hint=hint)
    title, tables = whole.data.get("title", ""), whole.data.get("claim")
    if not isinstance(title, str) or "\n" in title:
        raise whole.error(("title",), "title must be a text of one line")
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise whole.error(("claim",), "no claim in it: they are tables [claim.NAME]")
    claims = {name: _claim(whole, name) for name in tables}
    hidden = None
    if "hidden" in whole.data:
        hidden = checked(table_of(whole, "hidden"), HiddenTable)
        if not 0 < len(set(hidden.seeds)) == len(hidden.seeds) <= _MOST_SEEDS:
            raise whole.error(("hidden", "seeds"), f"seeds: at least one, none twice, {_MOST_SEEDS} at most")
    return GradeFile(title, claims, hidden, whole)


def _claim(whole: Document, name: str) -> ClaimTable:
    if not _NAME.match(name):
        what = f"claim {name[:49]!r}: a name has lower-case letters, digits and '-', 48 at most, a letter first"
        raise whole.error(("claim", name), what)
    table = table_of(whole, "claim", name)
    claim = checked(table, ClaimTable)
    least, most = claim.at_least, claim.at_most
    greatest = _WHOLE if claim.value.endswith("_percent") and claim.relative_to is None else math.inf
    if least is None and most is None:
        raise table.error((), f"claim {name!r}: at_least or at_most is missing: no value could break it")
    if least is not None and most is not None and least > most:
        raise table.error(("at_least",), f"claim {name!r}: at_least is above at_most: no value could keep it")
    # No quantity is below 0, and a share of a whole not above it.
    for key, unkept in (("at_least", (least or 0) > greatest), ("at_most", most is not None and most < 0)):
        if unkept:
            raise table.error((key,), f"claim {name!r}: {key} = {getattr(claim, key):g}: no value could keep it")
    if (least is None or least <= 0) and (most is None or most >= greatest):
        key = "at_most" if least is None else "at_least"
        raise table.error((key,), f"claim {name!r}: {key} = {getattr(claim, key):g}: no value could break it")
    return claim
