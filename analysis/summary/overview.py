"""The tables in brief, for a terminal: connections, what RSTs were sent for, counts that do not agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.summary.disagreements import in_words
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
        found = mine["reconciliation"].to_pylist() if "reconciliation" in mine else []
        parts += [*map(plain, _reconciliation(found)), ""]
    return "\n".join(parts)


def _of_point(table: pa.Table, point: str) -> pa.Table:
    return table.filter(pc.equal(table.column("point"), point))


def _connections(connections: pa.Table, subflows: pa.Table, most: int | None) -> list[str]:
    count = len(connections)
    if not count:
        return ["  no connections"]
    survived, total, past = (
        pc.sum(connections[name]).as_py() for name in ("survived", "bytes_to_client", "bytes_past_to_client")
    )
    share = f", {past / total:.1%} past the director" if past else ""
    lines = [f"  {count} connections, {survived} survived, {total / 1e6:.1f} MB to the client{share}"]
    # Only of those that are shown anything is looked at: there may be 400,000.
    by_fate = pc.sort_indices(connections, [("survived", "ascending"), ("connection", "ascending")])
    shown = connections.take(by_fate[:most]).to_pylist()
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
    if len(shown) < count:
        lines.append(f"    and {count - len(shown)} more (--all)")
    midstream = pc.sum(pc.equal(subflows["kind"], "midstream")).as_py()
    return lines + ([f"  {midstream} of the subflows began before the capture"] if midstream else [])


def _resets(resets: pa.Table) -> list[str]:
    if not len(resets):
        return ["  no RST"]
    counted, fatal = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    keys = ["cause", "churn", "direction"]
    grouped = resets.group_by([*keys, "ended_connection"]).aggregate([([], "count_all")])
    for row in grouped.to_pylist():
        key = (row["cause"], row["churn"] or _NOTHING, row["direction"])
        counted[key] += row["count_all"]
        if row["ended_connection"]:
            fatal[key] += row["count_all"]
    table = [("cause", "route", "direction", "RSTs", "ended")]
    table += [
        (*key, str(count), str(fatal[key])) for key, count in sorted(counted.items(), key=lambda e: (-e[1], e[0]))
    ]
    return [f"  {len(resets)} RSTs, {sum(fatal.values())} of them ended a connection", *_aligned(table, right=(3, 4))]


def _reconciliation(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"  {in_words(row)}" for row in rows]


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
