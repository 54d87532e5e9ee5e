"""The summary as a table of fixed width, for terminals and `summary.txt`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from analysis.summary.curves import Namer, namer
from analysis.summary.model import PointSummary
from testbed.base.text import plain

_HEAD = (
    ("protocol", ""), ("object", "KB"), ("seed", ""), ("goodput", "Mbit/s"), ("limit", "Mbit/s"),
    ("of limit", "%"), ("past LB", "%"), ("requests", "1/s"), ("conns", ""), ("joined", ""), ("failed", ""),
    ("RSTs", ""), ("virtual", "s"), ("wall", "s"), ("", ""),
)  # fmt: skip
_LEFT_ALIGNED = (0, len(_HEAD) - 1)
_NOTHING = "-"
_DIGITS = 9


def render_table(points: Sequence[PointSummary]) -> str:
    """The points as text, grouped by figure, with the reasons below each group that has invalid ones."""
    place = {names: number for number, names in enumerate(dict.fromkeys((p.condition, p.variant) for p in points))}
    ordered = sorted(
        points, key=lambda p: (*figure_order(p.figure, p.experiment), place[p.condition, p.variant], *_curve_order(p))
    )
    groups = [
        list(members)
        for _, members in groupby(ordered, key=lambda p: (figure_order(p.figure, p.experiment), p.condition))
    ]
    name = namer(points)
    rows = [[_row(point, name) for point in group] for group in groups]
    widths = [
        max(len(text) for text in (*_HEAD[column], *(row[column] for group in rows for row in group)))
        for column in range(len(_HEAD))
    ]
    lines = [_line([head for head, _ in _HEAD], widths), _line([unit for _, unit in _HEAD], widths)]
    for group, group_rows in zip(groups, rows, strict=True):
        lines += ["", plain(group_title(group)), *(_line(row, widths) for row in group_rows)]
        lines += [plain(f"  ! {point.id}: {reason}") for point in group for reason in point.invalid_reasons]
        lines += [plain(f"  ? {point.id}: {each}") for point in group for each in point.disagreements]
    notes = dict.fromkeys(plain(p.traits.limit_note) for p in ordered if p.traits.limit_note)
    lines += ["", *notes] if notes else []
    if shared := sum(point.shared_boot > 0 for point in points):
        lines += ["", f"{shared} points of shared boots; with a boot of its own runs each: testbed verify RUN"]
    invalid = sum(not point.valid for point in points)
    doubtful = sum(bool(point.disagreements) for point in points)
    last = f"{len(points)} points, {invalid} invalid" if invalid else f"{len(points)} points, all valid"
    lines += ["", f"{last}; counts of {doubtful} do not agree" if doubtful else last]
    return "\n".join(lines) + "\n"


def figure_order(figure: str, experiment: str) -> tuple[int, str]:
    """Sort key of a figure: numbered figures by number, then the others by name."""
    number = figure_number(figure)
    return (1 << 30, figure or experiment) if number is None else (number, "")


def figure_number(figure: str) -> int | None:
    """The number of a figure that has one."""
    return int(figure) if figure.isdecimal() and len(figure) < _DIGITS else None


def group_title(points: Sequence[PointSummary]) -> str:
    """The heading of one figure's points, such as `Fig. 7: HTTP downloads at 100 Mbit/s`."""
    first = points[0]
    name = f"Fig. {first.figure}" if first.figure else first.experiment or "unknown experiment"
    title = first.title or name
    if not title.lower().startswith(name.lower()):
        title = f"{name}: {title}"
    return f"{title}: {first.condition}" if first.condition else title


def _curve_order(point: PointSummary) -> tuple[bool, bool, str, int, int]:
    return (point.clock == "real", point.protocol != "tcp", point.protocol, point.object_bytes, point.seed)


def _row(point: PointSummary, name: Namer) -> list[str]:
    limit = point.wire_limit_bps
    share = point.goodput_bps / limit * 100 if point.goodput_bps is not None and limit else None
    bypass = None if point.director_bypass_share is None else point.director_bypass_share * 100
    return [
        plain(name(point)) or _NOTHING,
        f"{point.object_bytes / 1000:g}" if point.object_bytes < 10**9 else f"{point.object_bytes // 1000}",
        str(point.seed),
        _fixed(point.goodput_bps, 1, 1e-6),
        _fixed(limit, 1, 1e-6),
        _fixed(share, 1),
        _fixed(bypass, 1),
        _fixed(point.requests_per_s, 1),
        _whole(point.connections),
        _whole(point.joined) if point.protocol != "tcp" else _NOTHING,
        _whole(point.failed_requests),
        _whole(point.resets),
        _fixed(point.virtual_s, 1),
        _fixed(point.wall_s, 1),
        "" if point.valid else "INVALID",
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.ljust(width) if column in _LEFT_ALIGNED else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return ("  " + "  ".join(padded)).rstrip()


def _fixed(value: float | None, digits: int, factor: float = 1.0) -> str:
    return _NOTHING if value is None else f"{value * factor:.{digits}f}"


def _whole(value: int | None) -> str:
    return _NOTHING if value is None else str(value)
