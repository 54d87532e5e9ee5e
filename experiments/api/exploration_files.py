"""What an exploration leaves in its directory: tables, a page of text, the picture, a file for each finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
from experiments.api import finding_files
from experiments.api.exploration import COMPARED, TEXT, Exploration, Group
from experiments.api.finding_files import Expected, FindingFile
from experiments.exploration.enumeration import case_of
from testbed.base import files

FINDINGS = "findings"
_DEAREST = 10


def write(found: Exploration, context: FindingFile, out: Path) -> None:
    """Write all of it into `out`; `context` is what a finding's file says of where it was found. Raises OSError."""
    base = packet_rows(found.base)
    table(out, "cases", CASES.of_rows(found.rows))
    table(out, "packets", PACKETS.of_rows(base))
    singles = [row for row in found.rows if row["faults"] and ";" not in row["faults"]]
    if singles:
        title = f"{context.point}: what one fault of a packet leads to"
        pictures(out, "packets", figures.packets(singles, base, title))
    if found.groups:
        folder = files.make_directory(out / FINDINGS)
        for group in found.groups:
            if group.repeats is not None:
                files.write_text(folder / _file_name(group), _finding(group, context))
    files.write_text(out / TEXT, text(found, context) + "\n")


def write_comparisons(found: Mapping[str, Exploration], out: Path) -> None:
    """Write what each further one of several explorations is beside the first: tables, and a page."""
    (first, base), *others = found.items()
    pages = []
    for name, each in others:
        rows = compare(base.rows, each.rows)
        table(out, f"comparison-{name}", COMPARISON.of_rows(rows))
        pages.append(_compared(first, name, rows))
    files.write_text(out / COMPARED, "\n\n".join(pages) + "\n")


def _file_name(group: Group) -> str:
    return f"{group.worst['finding']}-{case_of(group.faults).id}.toml".replace(" ", "-")


def _finding(group: Group, context: FindingFile) -> str:
    """The text of a group's file."""
    worst = group.worst
    expected = Expected(
        outcome=worst["outcome"], finding=worst["finding"], extra_s=worst["extra_s"], digest=worst["digest"]
    )
    finding = context.model_copy(update={"fault": group.faults, "expected": expected})
    title = f"{worst['finding']}: {worst['faults']}: {worst['what']}"
    alike = [f"{group.count} cases are like it."] if group.count > 1 else []
    whats = {int(worst["packet"]): worst["what"]} if worst["packet"] else {}
    return finding_files.text(finding, title=title, comments=alike, whats=whats)


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


def table(out: Path, name: str, content: pa.Table) -> None:
    """Write a table as Parquet and CSV, the same bytes for the same table."""
    for suffix, write_it in (("parquet", pq.write_table), ("csv", pa_csv.write_csv)):
        with files.replacing(out / f"{name}.{suffix}") as file:
            write_it(content, file)


def pictures(out: Path, name: str, canvas: Any) -> None:
    """Write a drawn figure in each format."""
    for suffix, content in figure_files.pictures(canvas).items():
        files.write_bytes(out / f"{name}.{suffix}", content)


def text(found: Exploration, context: FindingFile) -> str:
    """The page: what was done, what came of it, the findings, the dearest packets."""
    base, rows = found.base, found.rows
    outcomes = Counter(row["outcome"] for row in rows if row["applied"])
    join = base.join.state + (f" after {base.join.at_s * 1e3:.3f} ms" if base.join.at_s is not None else "")
    lines = [
        f"{context.point}, kernel {context.kernel or 'the default'}",
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
