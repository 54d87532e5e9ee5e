"""The figure of an agreement: each quantity in its own panel, both labs side by side, the tolerance as a band."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.compare.agreement import QUANTITIES, Agreement, Compared
from analysis.figures import files, style
from testbed.record import writing as output

_LOOKS = (style.scheme(0), style.scheme(1))
_OFFSET = 0.14


def draw_agreement(directory: Path, agreement: Agreement) -> list[Path]:
    """Draw `figures/agreement.png` and `.pdf` in the directory; raises AnalysisError where it cannot."""
    folder = output.make_folder(directory / "figures")
    figure = agreement_figure(agreement)
    png, pdf = files.png_bytes(figure), files.pdf_bytes(figure)
    return [output.write_bytes(folder / "agreement.png", png), output.write_bytes(folder / "agreement.pdf", pdf)]


def agreement_figure(agreement: Agreement) -> Figure:
    """One panel per quantity that was compared; what differs is marked, what is invalid is hollow."""
    with style.settings():
        return _drawn(agreement)


def _drawn(agreement: Agreement) -> Figure:
    shown = [q for q in QUANTITIES if any(each.quantity == q.name for g in agreement.groups for each in g.compared)]
    height = 1.1 + len(shown) * (0.55 + 0.26 * len(agreement.groups))
    figure = Figure(figsize=(7.2, max(height, 2.5)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(max(len(shown), 1), 1, squeeze=False)[:, 0]
    for axes, quantity in zip(panels, shown, strict=False):
        _panel(axes, agreement, quantity.name, relative=quantity.relative)
        axes.set_xlabel(f"{quantity.name} ({quantity.unit})")
    if shown:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    verdict = "agree" if agreement.agrees else "do not agree"
    names = [style.label(lab) for lab in agreement.labs]
    figure.suptitle(f"{names[0]} and {names[1]} {verdict}", fontsize=11)
    return figure


def _panel(axes: Axes, agreement: Agreement, quantity: str, *, relative: bool) -> None:
    for place, group in enumerate(agreement.groups):
        each = next((one for one in group.compared if one.quantity == quantity), None)
        if each is None:
            continue
        _band(axes, each, place, relative=relative)
        for lab, (value, measured) in enumerate(zip(each.values, group.measured, strict=True)):
            if value is None:
                continue
            look = _LOOKS[lab]
            axes.plot(
                [value], [place + (lab - 0.5) * 2 * _OFFSET], linestyle="none", marker=look.marker, color=look.colour,
                markerfacecolor="white" if measured.invalid_reasons else look.colour, zorder=3,
                label=f"{'_' if place else ''}{style.label(measured.lab)} ({measured.clock} time)",
            )  # fmt: skip
        if not each.agrees:
            axes.annotate(
                "differ", (1.0, place), xycoords=("axes fraction", "data"), xytext=(4, 0),
                textcoords="offset points", va="center", fontsize=8, color=style.NOTE_COLOUR,
            )  # fmt: skip
    axes.set_yticks(range(len(agreement.groups)), [style.label(group.name) for group in agreement.groups])
    axes.set_ylim(len(agreement.groups) - 0.4, -0.6)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.grid(axis="y", visible=False)


def _band(axes: Axes, each: Compared, place: int, *, relative: bool) -> None:
    """What the second lab's value may be, given the first one's."""
    middle = each.values[0]
    if middle is None:
        return
    share = each.tolerance / 100
    low = middle * (1 - share) if relative else max(middle - each.tolerance, 0.0)
    high = middle / (1 - share) if relative and share < 1 else middle + each.tolerance if not relative else middle * 10
    axes.barh(
        place, high - low, 0.6, low, color=style.REMOVAL_SHADE, zorder=1,
        label=f"{'_' if place else ''}allowed",
    )  # fmt: skip
