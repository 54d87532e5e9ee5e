"""The tables in brief, for a terminal: connections, what RSTs were sent for, counts that do not agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from testbed.base.text import plain

MOST_CONNECTIONS = 20

_NOTHING = "-"
_SHOWN = ("connections", "subflows", "resets", "reconciliation")


def render_overview(tables: Mapping[str, pa.Table], most: int | None = MOST_CONNECTIONS) -> str:
    """Text on each point of the tables; of its connections at most so many (None: all), those that died first."""
    parts = []
    for point in tables["points"].column("point").to_pylist():
        mine = {name: _of_point(tables[name], point) for name in _SHOWN if name in tables}
        parts += [plain(point), *_connections(mine["connections"], mine["subflows"], most), *_resets(mine["resets"])]
        parts += [*map(plain, _reconciliation(mine.get("reconciliation", []))), ""]
    return "\n".join(parts)


def _of_point(table: pa.Table, point: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(pc.equal(table.column("point"), point)).to_pylist()
    return rows


def _connections(
    rows: Sequence[Mapping[str, Any]], subflows: Sequence[Mapping[str, Any]], most: int | None
) -> list[str]:
    if not rows:
        return ["  no connections"]
    survived = sum(row["survived"] for row in rows)
    total = sum(row["bytes_to_client"] for row in rows)
    past = sum(row["bytes_past_to_client"] for row in rows)
    share = f", {past / total:.1%} past the director" if past else ""
    lines = [f"  {len(rows)} connections, {survived} survived, {total / 1e6:.1f} MB to the client{share}"]
    by_fate = sorted(rows, key=lambda row: (row["survived"], row["connection"]))
    shown = by_fate if most is None else by_fate[:most]
    head = ("", "client", "server", "proto", "subflows", "SYN s", "join ms", "MB", "past %", "why")
    table = [head]
    table += [
        (
            str(row["connection"]),
            f"{row['client_address']}:{row['client_port']}",
            row["server"] or f"{row['server_address']}:{row['server_port']}",
            row["protocol"],
            str(row["subflows"]),
            _fixed(row["syn_s"], 3),
            _fixed(row["join_wait_s"], 1, 1e3),
            _fixed(row["bytes_to_client"], 3, 1e-6),
            _fixed(row["past_share"], 1, 100),
            row["why"],
        )
        for row in shown
    ]
    lines += _aligned(table, right=(0, 4, 5, 6, 7, 8))
    if len(shown) < len(rows):
        lines.append(f"    and {len(rows) - len(shown)} more (--all)")
    midstream = sum(row["kind"] == "midstream" for row in subflows)
    return lines + ([f"  {midstream} of the subflows began before the capture"] if midstream else [])


def _resets(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["  no RST"]
    counted = Counter(
        (row["cause"], row["churn"] or _NOTHING, row["direction"]) for row in rows
    )  # fmt: skip
    fatal = Counter(
        (row["cause"], row["churn"] or _NOTHING, row["direction"]) for row in rows if row["ended_connection"]
    )
    table = [("cause", "route", "direction", "RSTs", "ended")]
    table += [
        (*key, str(count), str(fatal[key])) for key, count in sorted(counted.items(), key=lambda e: (-e[1], e[0]))
    ]
    return [f"  {len(rows)} RSTs, {sum(fatal.values())} of them ended a connection", *_aligned(table, right=(3, 4))]


def _reconciliation(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    words = {True: "agree", False: "DO NOT AGREE", None: "cannot be judged"}
    return [
        f"  {row['quantity']}{' (' + row['node'] + ')' if row['node'] else ''}: {row['counted']} counted, "
        f"{row['explained']} captured: {words[row['holds']]}" + ("" if row["holds"] else f" ({row['note']})")
        for row in rows
    ]


def _aligned(table: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    table = [[plain(cell) for cell in row] for row in table]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "    " + "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]  # fmt: skip


def _fixed(value: float | None, digits: int, factor: float = 1.0) -> str:
    return _NOTHING if value is None else f"{value * factor:.{digits}f}"
