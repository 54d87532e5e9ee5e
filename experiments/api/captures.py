"""Captures from anywhere, of one place or several, as the tables that a run has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.api.tables import Tabled
from testbed.base.errors import PointsFailed, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_ENDPOINT = re.compile(r"\[?(?P<address>[0-9A-Fa-f.:]+?)\]?:(?P<port>\d{1,5})\Z")


@dataclass(frozen=True, eq=False)
class Captures(Tabled):
    """What captures come to.

    `tables` are Arrow tables by name; `names` are the addresses of `service`, `unique` and `clients`; `files` were
    written; `notes` must be known to who reads the tables. `others` counts by name the frames that are no TCP packets,
    `opaque` those that may hide some. `warnings` say in a line each what could not be read or was not captured,
    `problems` what could not be drawn.
    """

    tables: Mapping[str, pa.Table]
    names: Mapping[str, Sequence[str]]
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    others: Mapping[str, int]
    opaque: Mapping[str, int]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]

    def require_whole(self) -> None:
        """Raise `PointsFailed`, with the first of them, if a part of a capture could not be read or is missing."""
        if self.warnings:
            raise PointsFailed(f"not whole: {self.warnings[0]}", hint="the rest is analysed")


def analyse_captures(
    paths: Sequence[Path],
    *,
    service: str | None = None,
    unique: Sequence[str] = (),
    packets: bool = False,
    out: Path | None = None,
    figures: Sequence[Path] = (),
) -> Captures:
    """Analyse captures together: pcap or pcapng, compressed or not, of what happened at the same time.

    `service` is the load balancer's or anycast address (`10.0.1.80:80`, `[2001:db8::1]:80`), `unique` are servers' own
    addresses: both are guessed where they are not given. With `packets` there is a table of all packets. Tables and
    figures are written to `out` (None: nowhere); `figures` are Python files with figures of the caller's own.

    Raises `AnalysisError` for a file that cannot be read, one without a TCP packet, and addresses that are in none;
    `UsageError` for a `service` that is none, and a file that declares no figure.
    """
    from analysis.summary import of_captures
    from analysis.tables import write_tables

    endpoint = _endpoint(service)
    found = of_captures.analyse_captures(paths, service=endpoint, unique=unique)
    tables = found.all_tables() if packets else found.tables
    files: list[Path] = []
    problems: list[str] = []
    if out is not None:
        from analysis.figures.drawing import save
        from analysis.figures.gallery import of_run
        from analysis.figures.registry import load_registry

        registry = load_registry(figures)
        files += write_tables(out, tables)
        drawn = save(of_run(registry, found.tables), out / "figures")
        files += drawn.files
        problems += [*registry.problems, *drawn.problems, *drawn.empty(registry)]
    return Captures(
        tables, found.names(), tuple(files), found.notes, found.others, found.opaque, found.warnings, tuple(problems)
    )


def _endpoint(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    match = _ENDPOINT.match(text)
    if not match or not 0 < int(match["port"]) < 65536:
        raise UsageError(
            f"--service {text}: not an address and a port", hint="such as 10.0.1.80:80 or [2001:db8::1]:80"
        )
    return match["address"], int(match["port"])
