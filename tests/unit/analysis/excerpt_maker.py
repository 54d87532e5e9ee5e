"""Cuts the stored excerpt of a real run: `python excerpt_maker.py RUN OUT` (OUT is `data/anycast-run`).

Enters: a run of `testbed run fig13 fig14`. Leaves: its summary, all tables with few rows of those that are long, and
the first packets with payload of one MPTCP connection.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.summary.model import SUMMARY_FILE
from analysis.summary.of_point import connection_packets
from analysis.tables import DIRECTORY, TABLES, read_table

CONNECTIONS = 24
RESETS_S = 17.0
SAMPLES_S = 2.0
PACKETS = 600
CONNECTION = 0


def cut(run: Path, out: Path) -> None:
    """Write the excerpt; what `read_table` reads of it has the columns of the run's own tables."""
    (out / DIRECTORY).mkdir(parents=True, exist_ok=True)
    (out / SUMMARY_FILE).write_bytes((run / SUMMARY_FILE).read_bytes())
    for name in TABLES:
        _write(_short(name, read_table(run, name)), out / DIRECTORY / f"{name}.parquet")
    mptcp = next(each for each in read_table(run, "points").to_pylist() if each["protocol"] == "mptcp")
    packets = connection_packets(run / "points" / mptcp["point"], CONNECTION)
    payload = packets.filter(pc.greater(packets["payload_bytes"], 0))
    _write(payload.slice(0, PACKETS), out / "packets.parquet")


def _short(name: str, table: pa.Table) -> pa.Table:
    if name in ("connections", "subflows", "announcements"):
        return table.filter(pc.less(table["connection"], CONNECTIONS))
    if name in ("resets", "samples"):
        return table.filter(pc.less(table["t_s"], RESETS_S if name == "resets" else SAMPLES_S))
    return table


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", compression_level=19)


if __name__ == "__main__":
    cut(Path(sys.argv[1]), Path(sys.argv[2]))
