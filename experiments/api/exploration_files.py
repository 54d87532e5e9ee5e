"""What an exploration leaves in its directory: tables, a page of text, the picture, a file for each finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from analysis.figures import exploration as figures
from analysis.figures import files as figure_files
from analysis.summary.exploration import BaseLine
from analysis.summary.exploration_comparison import compare
from analysis.tables.exploration_catalogue import CASES, COMPARISON, PACKETS
from experiments.api.exploration import Exploration, Group, file_of
from experiments.api.exploring import Explorer
from experiments.api.finding_files import FindingFile
from testbed.base import files

TEXT, COMPARED = "exploration.txt", "comparison.txt"
FINDINGS = "findings"
_DEAREST = 10


def write(explorer: Explorer, found: Exploration, context: FindingFile, out: Path, kernel: str) -> list[Path]:
    """Write all of it into `out`; returns the files. Raises OSError."""
    rows = [*found.rows]
    base = packet_rows(found.base)
    written = [*table(out, "cases", CASES.of_rows(rows)), *table(out, "packets", PACKETS.of_rows(base))]
    title = f"{explorer.point.id}: what one fault of a packet leads to"
    singles = [row for row in rows if row["faults"] and ";" not in row["faults"]]
    if singles:
        canvas = figures.packets(singles, base, title)
        written += _pictures(canvas, out, "packets")
    if found.groups:
        folder = files.make_directory(out / FINDINGS)
        for group in found.groups:
            if group.repeats is not None:
                name, content = file_of(explorer, group, context)
                files.write_text(folder / name, content)
                written.append(folder / name)
    files.write_text(out / TEXT, text(explorer, found, kernel) + "\n")
    return [*written, out / TEXT]


def write_comparisons(found: Mapping[str, Exploration], out: Path) -> list[Path]:
    """Write what each further one of several explorations is beside the first; returns the files, a page first."""
    (first, base), *others = found.items()
    written, pages = [], []
    for name, each in others:
        rows = compare(base.rows, each.rows)
        written += table(out, f"comparison-{name}", COMPARISON.of_rows(rows))
        pages.append(_compared(first, name, rows))
    files.write_text(out / COMPARED, "\n\n".join(pages) + "\n")
    return [out / COMPARED, *written]


def _compared(first: str, second: str, rows: Sequence[Mapping[str, Any]]) -> str:
    verdicts = Counter(row["verdict"] for row in rows)
    lines = [f"{second} beside {first}: {', '.join(f'{count} {verdict}' for verdict, count in verdicts.most_common())}"]
    for row in [row for row in rows if row["verdict"] in ("better", "worse")][:_DEAREST]:
        costs = [f"{each * 1e3:+.1f} ms" if each is not None else "no end" for each in _costs(row)]
        joins = f"join {_join(row, 'first')}, then {_join(row, 'second')}"
        lines.append(f"  {row['verdict']}: {row['what']} {row['fault']}: {costs[0]}, then {costs[1]}; {joins}")
    return "\n".join(lines)


def _costs(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return row["cost_first_s"], row["cost_second_s"]


def _join(row: Mapping[str, Any], which: str) -> str:
    at_s = row[f"join_{which}_s"]
    return str(row[f"join_{which}"]) + ("" if at_s is None else f" at {at_s * 1e3:.1f} ms")


def packet_rows(base: BaseLine) -> list[dict[str, Any]]:
    """The rows of `packets`."""
    return [
        {
            "packet": each.passage.number,
            "what": each.name,
            "t_s": each.t_s,
            "direction": each.direction,
            "subflow": each.subflow,
            "kind": each.kind,
            "payload_bytes": each.passage.payload,
            "seq": each.seq,
            "ack": each.ack,
        }
        for each in base.described
        if each.passage.number
    ]


def table(out: Path, name: str, content: pa.Table) -> list[Path]:
    """Write a table as Parquet and CSV, the same bytes for the same table."""
    written = []
    for suffix, write_it in (
        ("parquet", partial(pq.write_table, content)),
        ("csv", partial(pa_csv.write_csv, content)),
    ):
        path = out / f"{name}.{suffix}"
        with files.replacing(path) as file:
            write_it(file)
        written.append(path)
    return written


def _pictures(canvas: Any, out: Path, name: str) -> list[Path]:
    written = []
    for suffix, content in figure_files.pictures(canvas).items():
        files.write_bytes(out / f"{name}.{suffix}", content)
        written.append(out / f"{name}.{suffix}")
    return written


def text(explorer: Explorer, found: Exploration, kernel: str) -> str:
    """The page: what was done, what came of it, the findings, the dearest packets."""
    base, rows = found.base, found.rows
    outcomes = Counter(row["outcome"] for row in rows if row["applied"])
    join = base.join.state + (f" after {base.join.at_s * 1e3:.3f} ms" if base.join.at_s is not None else "")
    lines = [
        f"{explorer.point.id}, kernel {kernel}",
        f"base line: {len(base.described)} packets, {base.done_s * 1e3:.3f} ms, "
        f"round trip {base.round_trip_s * 1e6:.1f} us, join {join}; the same packets {found.base_lines} times",
        f"late packets: by {', '.join(f'{each * 1e3:.4g}' for each in found.delays.seconds)} ms",
        f"cases: {len(rows)}, of which {len(found.not_applied)} were not applied",
        f"outcomes: {', '.join(f'{count} {name}' for name, count in outcomes.most_common()) or 'none'}",
        "",
        *_findings(found.groups),
        "",
        *_dearest(rows),
    ]
    return "\n".join(lines)


def _findings(groups: Sequence[Group]) -> list[str]:
    if not groups:
        return ["No findings."]
    lines = [f"{len(groups)} findings, the worst first:"]
    for group in groups:
        again = {True: "repeats", False: "DOES NOT REPEAT", None: "not repeated"}[group.repeats]
        worst = group.worst
        lines.append(
            f"  {worst['finding']}: {_cost(worst)}: {worst['what']} {worst['faults']} ({group.count}x, {again})"
        )
    return lines


def _cost(row: Mapping[str, Any]) -> str:
    if row["extra_s"] is None:
        return "no end"
    late = f", join at {row['join_s'] * 1e3:.1f} ms" if row["finding"] == "late join" else ""
    return f"{row['extra_s'] * 1e3:+z.1f} ms{late}"


def _dearest(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The packets whose single loss costs most."""
    lost = [row for row in rows if row["applied"] and row["fault"] == "lost" and ";" not in row["faults"]]
    ordered = sorted(lost, key=lambda row: -(row["extra_s"] if row["extra_s"] is not None else 1e9))
    lines = [f"The {min(_DEAREST, len(lost))} packets whose loss costs most:"] if lost else []
    return lines + [f"  {_cost(row)}: packet {row['packet']}, {row['what']}" for row in ordered[:_DEAREST]]
