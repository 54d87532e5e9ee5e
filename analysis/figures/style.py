"""One look for every figure: sizes, fonts, a line, marker and colour per curve, and how text from files is set.

The colours are Okabe and Ito's, which colour-blind people can tell apart; marker, line style and brightness
differ as well, so a figure printed in grey stays readable.
"""

from __future__ import annotations

import contextlib
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from testbed.base.text import plain

PNG_DPI = 150
TITLE_SIZE = 11.0
_TITLE_CHARACTERS_PER_INCH = 13
_TITLE_LINES = 4
_LEGEND_CHARACTERS_PER_INCH = 15
_LEGEND_MARK_CHARACTERS = 7
_LONGEST_TITLE = 1000
_LONGEST_LABEL = 80

RC: Mapping[Any, Any] = {
    # What is laid out has letters of the width that they will have: hinted, they are not in proportion.
    "figure.dpi": PNG_DPI,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "errorbar.capsize": 2.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "text.usetex": False,
}
"""Matplotlib settings of every figure; Type 42 keeps the text of a PDF selectable.

No text is read as a formula: titles and names come from files, and a `$` in them is a `$`.
"""


@dataclass(frozen=True)
class Curve:
    """How one curve is drawn; hollow marks tell it from a curve that is otherwise alike."""

    colour: str
    marker: str
    line: str | tuple[float, tuple[float, ...]]
    hollow: bool = False

    @property
    def face(self) -> str:
        """The colour inside its marks."""
        return "white" if self.hollow else self.colour


_CURVES = {
    ("tcp", "virtual"): Curve("#0072B2", "o", "-"),
    ("mptcp", "virtual"): Curve("#D55E00", "s", "--"),
    ("tcp", "real"): Curve("#56B4E9", "^", "-."),
    ("mptcp", "real"): Curve("#E69F00", "D", ":"),
}
_OTHER = Curve("#555555", "v", "-")
_FURTHER = (
    Curve("#009E73", "^", "-."),
    Curve("#000000", "D", (0, (1, 1.2))),
    Curve("#CC79A7", "X", (0, (6, 2))),
    Curve("#882255", "P", (0, (3, 1, 1, 1, 1, 1))),
    Curve("#999933", "v", "-"),
    Curve("#332288", "*", "--"),
)
_SCHEMES = (
    Curve("#0072B2", "o", "-"),
    Curve("#D55E00", "s", "--"),
    Curve("#009E73", "^", "-."),
    Curve("#000000", "D", ":"),
    Curve("#CC79A7", "X", "-"),
    Curve("#E69F00", "P", "--"),
    Curve("#56B4E9", "v", "-."),
    Curve("#882255", "*", "-"),
    Curve("#555555", "h", ":"),
)

MINOR_TICKS = (1, 0.4)
"""Decades below which a logarithmic axis has numbers at some of the small ticks, and at all (matplotlib's own)."""

LIMIT_COLOUR = "#444444"
NOTE_COLOUR = "#B00020"
PAPER_COLOUR = "#AA0DFE"
REMOVAL_SHADE = "#ececec"
REMOVAL_COLOUR = "#CC3311"
ADDITION_COLOUR = "#117744"
RECEIVED_COLOUR = "#333333"
SENT_COLOUR = "#F3D58B"


def folded(title: str, inches: float) -> str:
    """A figure's title in lines that are no wider than the figure; a number and its unit stay in one.

    One that is too long for a title is cut.
    """
    text = re.sub(r"(?<=\d) ", "\N{NO-BREAK SPACE}", plain(title[:_LONGEST_TITLE]))
    width = round(_TITLE_CHARACTERS_PER_INCH * inches)
    return textwrap.fill(text, width, max_lines=_TITLE_LINES, placeholder=" ...")


def label(name: str) -> str:
    """A name from a file, for a legend, an axis or a panel: one line that is not too long.

    Matplotlib would leave out one that begins with `_`.
    """
    text = plain(name[: _LONGEST_LABEL + 1])
    text = text if len(text) <= _LONGEST_LABEL else text[:_LONGEST_LABEL] + "..."
    return f" {text}" if text.startswith("_") else text


def legend_columns(labels: Sequence[str], inches: float) -> int:
    """How many columns of a legend with these labels a figure of this width has room for: three at most."""
    longest = max(map(len, labels), default=0) + _LEGEND_MARK_CHARACTERS
    return max(1, min(3, int(_LEGEND_CHARACTERS_PER_INCH * inches) // longest))


@contextlib.contextmanager
def settings(**more: Any) -> Iterator[None]:
    """The settings of every figure, and some more, until the block ends; a glyph that the font lacks is a box."""
    import matplotlib as mpl

    with mpl.rc_context(dict(RC) | more), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        yield


def scheme(place: int) -> Curve:
    """The look of the `place`-th of several schemes that are compared, counted from 0."""
    return replace(_SCHEMES[place % len(_SCHEMES)], hollow=place >= len(_SCHEMES))


def arms(curves: Sequence[tuple[str, str, str]]) -> dict[str, Curve]:
    """The look of each curve of some: name, protocol and clock, in the order in which they are drawn.

    The first of a protocol and clock has its look, and each further one another.
    """
    looks: dict[str, Curve] = {}
    taken: set[tuple[str, str]] = set()
    further = 0
    for name, *kind in curves:
        protocol, clock = kind
        if name in looks:
            continue
        if (protocol, clock) not in taken:
            taken.add((protocol, clock))
            looks[name] = _CURVES.get((protocol, clock), _OTHER)
            continue
        looks[name] = replace(_FURTHER[further % len(_FURTHER)], hollow=further >= len(_FURTHER))
        further += 1
    return looks
