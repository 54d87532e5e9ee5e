"""The time line of one point as plain columns, from its tables: what the page's script shows at each moment.

Enters: the tables of a run. Leaves: a dict of numbers, texts and lists of them, for JSON. Times are in steps of the
table `steps`, or in microseconds where a moment counts; numbers that grow are kept as differences, which pack well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.figures.selection import numbers, rows
from analysis.report.pool_states import states
from analysis.summary import paper_values
from analysis.summary.model import PointSummary
from analysis.tables import CAUSES
from analysis.tables.progress import MOST_CONNECTIONS
from testbed.base.text import plain, plain_lines
from testbed.record.events import in_words

TABLES = ("points", "connections", "subflows", "resets", "events", "steps", "progress")
"""The tables that it is made of."""

MOST_RESETS = 40_000
"""So many RSTs are listed one by one; those of each step are counted in any case."""

_MOST_STEPS = 10_000  # a stranger's table may say anything
_US = 1_000_000
_DIRECTIONS = ("to-client", "to-server")
_NEVER = -1


def of_point(summary: PointSummary, tables: Mapping[str, pa.Table]) -> dict[str, Any] | None:
    """The time line of a point; None where its tables have no packets.

    `tables` are the run's own, `TABLES` of them. Raises ValueError, or what Arrow and NumPy raise, for tables that are
    not of one point's packets: a run may be anybody's.
    """
    mine = {name: rows(tables[name], point=summary.id) for name in TABLES}
    steps = mine["steps"]
    if not len(steps):
        return None
    step_s = steps["step_s"][0].as_py()
    count = _steps(mine["points"], steps, step_s)
    if not 0 < count <= _MOST_STEPS:
        raise ValueError(f"{count} steps")
    servers = _servers(mine)
    shown = np.unique(numbers(mine["progress"], "connection"))
    connections = mine["connections"]
    notes = []
    if len(shown) < len(connections):
        notes.append(
            f"{len(shown)} of {len(connections)} connections are shown one by one: with payload, and of many every n-th"
        )
    resets, note = _resets(mine["resets"], step_s, count, shown, servers)
    notes += note
    return {
        "point": plain(summary.id),
        "title": plain(summary.title),
        "picture": plain_lines(summary.traits.picture).rstrip("\n"),
        "service": plain(summary.traits.service_path or "director"),
        "sender": summary.traits.sender,
        "paper": [value.mbps for value in paper_values.of_figure(summary.figure)] if summary.traits.per_second else [],
        "sampled": len(connections) > MOST_CONNECTIONS,
        "step_us": round(step_s * _US),
        "step_s": step_s,
        "steps": count,
        "servers": [plain(each) for each in servers],
        "loads": _loads(steps, count, servers),
        "events": _events(mine["events"]),
        "states": states(mine["events"].to_pylist(), servers),
        "open": _open(connections, step_s, count),
        "connections": _connections(connections, shown, servers),
        "subflows": _subflows(mine["subflows"], shown, servers),
        "progress": _progress(mine["progress"]),
        "notes": notes,
        **resets,
    }


def _steps(points: pa.Table, steps: pa.Table, step_s: float) -> int:
    """How many steps the workload has, at least those with packets."""
    duration = points["duration_s"][0].as_py() if len(points) else None
    whole = math.ceil(duration / step_s - 1e-6) if duration else 1
    return max(whole, int(pc.max(steps["step"]).as_py()) + 1)


def _servers(tables: Mapping[str, pa.Table]) -> list[str]:
    """The servers by name, s2 before s10."""
    names = {name for table in ("steps", "events", "connections") for name in tables[table]["server"].to_pylist()}
    return sorted(filter(None, names), key=lambda name: (len(name), name))


def _loads(steps: pa.Table, count: int, servers: Sequence[str]) -> list[dict[str, Any]]:
    """Payload of each step by path, server and direction."""
    found: dict[tuple[str, int, int], NDArray[np.int64]] = {}
    place = {name: number for number, name in enumerate(servers)}
    for row in steps.select(["path", "server", "direction", "step", "payload_bytes"]).to_pylist():
        key = (row["path"], place.get(row["server"], _NEVER), _DIRECTIONS.index(row["direction"]))
        if key not in found:
            found[key] = np.zeros(count, np.int64)
        found[key][row["step"]] += row["payload_bytes"]
    return [
        {"path": path, "server": server, "direction": direction, "bytes": values.tolist()}
        for (path, server, direction), values in sorted(found.items())
        if values.any()
    ]


def _events(events: pa.Table) -> list[dict[str, Any]]:
    found = []
    for row in events.to_pylist():
        if row["event"].startswith("workload-"):
            continue
        whom = row["server"] or row["director"] or row.get("link") or ""
        text = in_words(row["event"], whom, row["by"] or "")
        if row.get("direction"):
            text += f" ({row['direction']})"
        if row.get("cost") is not None:
            text += f" {row['cost']}"
        found.append({"us": round(row["t_s"] * _US), "text": plain(text), "kind": plain(row["event"])})
    return found


def _open(connections: pa.Table, step_s: float, count: int) -> list[int]:
    """How many connections were open in each step, for however short a part of it."""
    begun, ended = numbers(connections, "syn_s"), numbers(connections, "end_s")
    known = ~np.isnan(begun)
    first = np.clip(np.nan_to_num(begun[known]) // step_s, 0, count - 1).astype(np.int64)
    last = np.where(np.isnan(ended[known]), count - 1, np.nan_to_num(ended[known]) // step_s)
    last = np.clip(last, first, count - 1).astype(np.int64)
    change = np.bincount(first, minlength=count + 1) - np.bincount(last + 1, minlength=count + 1)
    return [int(each) for each in np.cumsum(change)[:count]]


def _connections(table: pa.Table, shown: NDArray[Any], servers: Sequence[str]) -> dict[str, Any]:
    mine = _of(table, shown)
    why = [plain(each or "") for each in mine["why"].to_pylist()]
    words = sorted(set(why))
    return {
        "number": _differences(numbers(mine, "connection")),
        "protocol": mine["protocol"].to_pylist(),
        "server": _places(mine, "server", servers),
        "from_us": _microseconds(mine, "syn_s"),
        "to_us": _microseconds(mine, "end_s"),
        "port": mine["client_port"].to_pylist(),
        "why": [words.index(each) for each in why],
        "whys": words,
    }


def _subflows(table: pa.Table, shown: NDArray[Any], servers: Sequence[str]) -> dict[str, Any]:
    mine = _of(table, shown)
    return {
        "connection": _differences(numbers(mine, "connection")),
        "number": mine["subflow"].to_pylist(),
        "kind": mine["kind"].to_pylist(),
        "path": mine["path"].to_pylist(),
        "server": _places(mine, "server", servers),
        "address": [plain(each or "") for each in mine["server_address"].to_pylist()],
        "from_us": _microseconds(mine, "syn_s"),
        "backup_us": _microseconds(mine, "backup_s"),
        "to_us": _microseconds(mine, "end_s"),
        "end": [
            " by ".join(filter(None, (row["end"], row["end_by"]))) for row in mine.select(["end", "end_by"]).to_pylist()
        ],
    }


def _progress(table: pa.Table) -> dict[str, Any]:
    """`first` is relative to where the row before ended, `more` what the range has beyond the payload."""
    first = np.nan_to_num(numbers(table, "first_byte"), nan=_NEVER).astype(np.int64)
    end = np.nan_to_num(numbers(table, "end_byte"), nan=_NEVER).astype(np.int64)
    payload = numbers(table, "payload_bytes").astype(np.int64)
    before = np.concatenate([[0], end[:-1]]) if len(end) else end
    return {
        "connection": _differences(numbers(table, "connection")),
        "subflow": table["subflow"].to_pylist(),
        "step": _differences(numbers(table, "step")),
        "payload": payload.tolist(),
        "repeated": table["repeated_bytes"].to_pylist(),
        "first": (first - before).tolist(),
        "more": (end - first - payload).tolist(),
        "direction": _DIRECTIONS.index(table["direction"][0].as_py()) if len(table) else 0,
    }


def _resets(
    table: pa.Table, step_s: float, count: int, shown: NDArray[Any], servers: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """RSTs of each step by cause, sender and direction; then those of the connections that are shown, one by one."""
    at = numbers(table, "t_s")
    within = (at >= 0) & (at < count * step_s + 1e-9)
    notes = [] if within.all() else [f"{int((~within).sum())} of {len(at)} RSTs came after the last step"]
    table, at = table.filter(pa.array(within)), at[within]
    step = np.minimum(at // step_s, count - 1).astype(np.int64)
    senders = ["client", *servers]
    kinds = list(zip(*(table[name].to_pylist() for name in ("cause", "sender", "direction")), strict=True))
    groups: dict[tuple[str, str | None, str], list[int]] = {}
    for kind, number in zip(kinds, step.tolist(), strict=True):
        groups.setdefault(kind, []).append(number)
    order = {kind: place for place, kind in enumerate(sorted(groups, key=lambda kind: (-len(groups[kind]), str(kind))))}
    counted = [
        {
            "cause": cause,
            "sender": senders.index(sender) if sender in senders else _NEVER,
            "direction": _DIRECTIONS.index(direction),
            "counts": np.bincount(groups[cause, sender, direction], minlength=count).tolist(),
        }
        for cause, sender, direction in order
    ]
    listed = np.isin(np.nan_to_num(numbers(table, "connection"), nan=_NEVER), shown)
    listed &= np.cumsum(listed) <= MOST_RESETS
    if not listed.all():
        notes.append(f"of {len(listed)} RSTs {int(listed.sum())} are listed one by one")
    one_by_one = table.filter(pa.array(listed))
    churn = [
        (f"{whom} was {change}" if whom else change) if change else ""
        for change, whom in zip(*(one_by_one[name].to_pylist() for name in ("churn", "churn_server")), strict=True)
    ]
    changes = sorted(set(churn))
    found = {
        "us": _differences(np.round(at[listed] * _US)),
        "connection": one_by_one["connection"].to_pylist(),
        "subflow": one_by_one["subflow"].to_pylist(),
        "kind": [order[kind] for kind, chosen in zip(kinds, listed.tolist(), strict=True) if chosen],
        "ended": [
            2 if whole else 1 if one else 0
            for whole, one in zip(
                *(one_by_one[name].to_pylist() for name in ("ended_connection", "ended_subflow")), strict=True
            )
        ],
        "churn": [changes.index(each) for each in churn],
        "churns": [plain(each) for each in changes],
    }
    return {"reset_kinds": counted, "causes": dict(CAUSES), "resets": found}, notes


def _of(table: pa.Table, shown: NDArray[Any]) -> pa.Table:
    return table.filter(pc.is_in(table["connection"], pa.array(shown, pa.int64())))


def _places(table: pa.Table, column: str, servers: Sequence[str]) -> list[int]:
    place = {name: number for number, name in enumerate(servers)}
    return [place.get(each, _NEVER) for each in table[column].to_pylist()]


def _microseconds(table: pa.Table, column: str) -> list[int | None]:
    return [None if each is None else round(each * _US) for each in table[column].to_pylist()]


def _differences(values: NDArray[Any]) -> list[int]:
    found: list[int] = np.diff(values.astype(np.int64), prepend=np.int64(0)).tolist()
    return found
