"""How each cause of a RST looks: one colour and hatch in every figure, in one order, however many there are of it.

Enters: the columns `cause` and `churn` of the table `resets`. Leaves: names for a legend, and their looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from testbed.record.events import CHURN


@dataclass(frozen=True)
class Look:
    """A filled area: its colour, the hatch over it and the colour of that."""

    colour: str
    hatch: str
    hatch_colour: str = "white"


_DARK = "#333333"
_CHANGES = {kind.removeprefix("server-"): f", {kind.replace('-', ' ')}" for kind in CHURN}

# Two looks with one hatch are far apart in brightness, so that a print in grey can be told apart as well (tested).
_LOOKS: Mapping[tuple[str, str | None], Look] = {
    ("no-socket", "removed"): Look("#D55E00", ""),
    ("no-socket", "added"): Look("#D55E00", "////"),
    ("no-socket", None): Look("#D55E00", "...."),
    ("closed-socket", "removed"): Look("#7FC4EE", ""),
    ("closed-socket", "added"): Look("#7FC4EE", "////", _DARK),
    ("closed-socket", None): Look("#7FC4EE", "....", _DARK),
    ("workload-end", None): Look("#999999", "----"),
    ("unread-data", None): Look("#F0E442", "", _DARK),
    ("initial-closed", None): Look("#009E73", "xxxx"),
    ("subflow-closed", None): Look("#0072B2", "\\\\\\\\"),
    ("fastclose", None): Look("#CC79A7", "oooo"),
    ("join-refused", None): Look("#882255", "++++"),
    ("refused", None): Look("#000000", ""),
    ("after-close", None): Look("#E69F00", "||||"),
    ("unknown", None): Look("#DDDDDD", "xxxx", _DARK),
}
_UNLISTED = Look("#DDDDDD", "****", _DARK)

LOOKS: Mapping[str, Look] = {f"{cause}{_CHANGES.get(churn or '', '')}": look for (cause, churn), look in _LOOKS.items()}
"""The look of every name of a cause, in the order of the figures: that of the table's documentation."""


def named(resets: pa.Table) -> list[str]:
    """Why each RST was sent, with the change of routes behind it."""
    pairs = zip(resets["cause"].to_pylist(), resets["churn"].to_pylist(), strict=True)
    return [f"{cause}{_CHANGES.get(churn or '', '')}" for cause, churn in pairs]


def in_order(names: Iterable[str]) -> list[str]:
    """The distinct names in the order of the figures; those of a newer toolkit's causes come last."""
    there = set(names)
    return [name for name in LOOKS if name in there] + sorted(there - set(LOOKS))


def look(name: str) -> Look:
    """The look of a cause by its name; an unknown name has one, too."""
    return LOOKS.get(name, _UNLISTED)
