"""What was recorded at a point's directors, for points that asked for it: read, checked, tabulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.flows.sightings import seen_at_directors
from analysis.pcap import Packets, merge, read_stored_pcap
from analysis.pcap.columns import Bools
from analysis.summary.validity import Capture
from analysis.tables import TABLES
from analysis.tables.director_reconciliation import Passage
from testbed.base.errors import AnalysisError
from testbed.record.director import (
    CAPTURES,
    DirectorCapture,
    DirectorStatistics,
    StateSample,
    read_director_captures,
    read_director_statistics,
    read_state_samples,
)
from testbed.record.point import Point


@dataclass(frozen=True, eq=False)
class AtDirectors:
    """The readings, the entries second by second, and by each director's name the packets captured there, and at which
    of its links.
    """

    statistics: DirectorStatistics
    samples: Sequence[StateSample]
    packets: Mapping[str, Packets]
    captures: Sequence[Capture]
    links: Mapping[str, Sequence[str]]

    def sightings(self, point: Point, packets: Packets) -> Bools:
        """Which of the client's packets a director had, too; a middlebox between them may have altered timestamps."""
        middlebox = point.parts["topology"].settings.get("middlebox")
        return seen_at_directors(packets, merge(list(self.packets.values())), timestamps=not middlebox)

    def sent_resets(self) -> dict[str, int]:
        """How many RSTs each director has sent by itself, of those that have."""
        after = self.statistics.after
        grown = {name: after[name].resets - before.resets for name, before in self.statistics.before.items()}
        return {name: count for name, count in grown.items() if count}

    def peak(self) -> int | None:
        """The most entries that all directors together had in a sample; None where one of them cannot tell."""
        sums = [_sum(sample) for sample in self.samples]
        known = [each for each in sums if each is not None]
        return max(known) if known and len(known) == len(sums) else None


def read_at_directors(directory: Path) -> AtDirectors | None:
    """What was recorded there, None for a point that has not asked for it; raises AnalysisError."""
    statistics = read_director_statistics(directory)
    if statistics is None:
        return None
    found: dict[str, list[Packets]] = {}
    links: dict[str, list[str]] = {}
    captures = []
    files: Sequence[DirectorCapture] = read_director_captures(directory)
    for file in files:
        packets = read_stored_pcap(directory / file.file)
        found.setdefault(file.node, []).append(packets)
        links.setdefault(file.node, []).append(file.interface)
        captures.append(Capture(file, packets.records, packets.warnings))
    if lacking := sorted({*statistics.before, *statistics.after} ^ found.keys()):
        raise AnalysisError(f"{CAPTURES}: it and director.json are not about the same directors: {', '.join(lacking)}")
    merged = {name: merge(each) for name, each in found.items()}
    return AtDirectors(statistics, read_state_samples(directory), merged, tuple(captures), links)


def directors_table(point: str, passed: Sequence[Passage], recorded: AtDirectors) -> pa.Table:
    """The table `directors`."""
    before, after = recorded.statistics.before, recorded.statistics.after
    rows: list[dict[str, Any]] = []
    for each in passed:
        entries = [sample.entries.get(each.director) for sample in recorded.samples]
        known = [number for number in entries if number is not None]
        rows.append(
            {
                "point": point,
                **vars(each),
                "entries_before": before[each.director].entries,
                "entries_most": max(known, default=None),
                "entries_after": after[each.director].entries,
            }
        )
    return TABLES["directors"].of_rows(rows)


def state_table(point: str, samples: Sequence[StateSample]) -> pa.Table:
    """The table `state`."""
    return TABLES["state"].of_rows(
        {"point": point, "t_s": sample.t_s, "director": name, "entries": entries}
        for sample in samples
        for name, entries in sample.entries.items()
    )


def _sum(sample: StateSample) -> int | None:
    known = [each for each in sample.entries.values() if each is not None]
    return sum(known) if known and len(known) == len(sample.entries) else None
