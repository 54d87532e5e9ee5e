"""What sliding a change over connections leaves in its directory: tables, a page of text with claims, the picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.figures import exploration_moments as figures
from analysis.tables.exploration_catalogue import CASES, WINDOWS
from experiments.api.exploration_files import pictures, table
from experiments.api.moments import TEXT, Slid
from testbed.base import files

_MARKED = ("SYN+ACK", "ADD_ADDR", "MP_PRIO", "join SYN")


def write(found: Mapping[str, Slid], out: Path) -> None:
    """Write all of it into `out`. Raises OSError."""
    windows = [row for name, slid in found.items() for row in window_rows(name, slid)]
    table(out, "windows", WINDOWS.of_rows(windows))
    for name, slid in found.items():
        table(files.make_directory(out / name), "cases", CASES.of_rows(slid.rows))
    event = next(iter(found.values())).change.event
    canvas = figures.windows([_arm(name, slid) for name, slid in found.items()], f"When a connection can bear {event}")
    pictures(out, "windows", canvas)
    files.write_text(out / TEXT, text(found) + "\n")
    files.write_text(
        out / "claims.json", json.dumps({name: claim(slid) for name, slid in found.items()}, indent=1) + "\n"
    )


def window_rows(name: str, slid: Slid) -> list[dict[str, Any]]:
    """The rows of `windows`."""
    return [
        {
            "connection": name,
            "change": slid.change.text,
            "outcome": window.outcome,
            "after_first": window.first,
            "after_last": window.last,
            "from_s": window.from_s,
            "to_s": window.to_s,
            "slowest_s": window.slowest_s,
        }
        for window in slid.windows
    ]


def claim(slid: Slid) -> str:
    """From when to when a connection is lost to the change, in a sentence."""
    whole = f"of {slid.base.done_s * 1e3:.3f} ms"
    if not slid.failing:
        return f"No moment {whole} loses the connection."
    parts = [
        f"from {each.from_s * 1e3:.3f} to {each.to_s * 1e3:.3f} ms ({each.outcome}, packets {each.first}-{each.last})"
        for each in slid.failing
    ]
    return f"Of {slid.base.done_s * 1e3:.3f} ms the connection is vulnerable {'; '.join(parts)}."


def text(found: Mapping[str, Slid]) -> str:
    """The page: claim by claim, with all windows."""
    lines: list[str] = []
    for name, slid in found.items():
        join = slid.base.join
        at = "" if join.at_s is None else f" at {join.at_s * 1e3:.3f} ms"
        lines += [f"{name}: {slid.change.text}"]
        missed = sum(not row["applied"] for row in slid.rows)
        lines += [
            f"  {claim(slid)}",
            f"  {slid.packets} packets; join {join.state}{at}",
            f"  {len(slid.rows)} moments tried, of which {missed} were not applied; "
            f"without the change the same packets and server {slid.base_lines} times",
        ]
        lines += [f"  {_shown(row)}" for row in window_rows(name, slid)] + [""]
    return "\n".join(lines).rstrip()


def _shown(row: Mapping[str, Any]) -> str:
    slowest = "" if not row["slowest_s"] or row["slowest_s"] < 1e-3 else f", up to {row['slowest_s'] * 1e3:.0f} ms more"
    return f"{row['from_s'] * 1e3:10.3f} to {row['to_s'] * 1e3:10.3f} ms  {row['outcome']}{slowest}"


def _arm(name: str, slid: Slid) -> figures.Arm:
    marks: dict[str, float] = {}
    for each in slid.base.described:
        if each.kind in _MARKED:
            marks.setdefault(each.kind, each.t_s + slid.first_s)
    if slid.base.join.at_s is not None:
        marks["joined"] = slid.base.join.at_s + slid.first_s
    return figures.Arm(name, [(window.from_s, window.to_s, window.outcome) for window in slid.windows], marks)
