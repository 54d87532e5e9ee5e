"""The options of many TCP headers at once: headers of one layout are read together, field by field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from analysis.pcap.addresses import Ipv6Numbering
from analysis.pcap.columns import I64, U8, U32, U64, Bools, Rows
from analysis.pcap.layout import OPTION_SPACE, WORDS, Layout, work_out
from analysis.pcap.tables import OptionTable, assemble

_KNOWN_AT_MOST = 64


class OptionDecoder:
    """Decodes option spaces chunk by chunk; remembers the layouts it has met, the most frequent first.

    `numbering` gives the IPv6 addresses in ADD_ADDR their numbers.
    """

    def __init__(self, numbering: Ipv6Numbering) -> None:
        self._numbering = numbering
        self._known: list[Layout] = []

    def decode(self, spaces: U8, captured: I64, declared: I64) -> tuple[dict[str, U32], dict[str, OptionTable]]:
        """The columns `options`, `ts_value` and `ts_echo` of `Packets`, and those tables that have rows.

        `spaces` has one row of 40 bytes per header (C order); `captured` and `declared` are the lengths of its options.
        """
        count = len(spaces)
        columns = {name: np.zeros(count, np.uint32) for name in ("options", "ts_value", "ts_echo")}
        parts: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for layout, rows in self._groups(spaces, declared << 8 | captured):
            columns["options"][rows] = layout.options
            for item in layout.items:
                part: dict[str, Any] = {}
                for column, at, kind in item.fields:
                    field = np.ndarray((count,), kind, spaces, at, (OPTION_SPACE,))[rows]
                    part[column] = self._numbering.numbers(field) if kind == "V16" else field
                if item.table:
                    parts[item.table].append({"packet": rows, **item.constants, **part})
                else:
                    for column, field in part.items():
                        columns[column][rows] = field
        return columns, {name: assemble(name, each, count) for name, each in parts.items()}

    def _groups(self, spaces: U8, keys: I64) -> Iterator[tuple[Layout, Rows]]:
        """Each layout that occurs with the rows (ascending) that have it; every row is in one group."""
        words = spaces.view(np.uint64)
        rows: Rows = np.arange(len(spaces))
        hits: list[tuple[int, int, Layout]] = []
        known = iter(self._known)
        while len(rows):
            layout = next(known, None) or _work_out(spaces[rows[0]], int(keys[rows[0]]))
            same = _matches(layout, words, keys, rows)
            found = int(np.count_nonzero(same))
            hits.append((-found, len(hits), layout))
            if found == len(rows):
                yield layout, rows
                break
            if found:
                yield layout, rows[same]
                rows = rows[~same]
        hits += [(0, len(hits), layout) for layout in known]
        self._known = [layout for _, _, layout in sorted(hits, key=lambda hit: hit[:2])[:_KNOWN_AT_MOST]]


def _work_out(space: U8, key: int) -> Layout:
    return work_out(space[: key & 0xFF].tobytes(), key >> 8)


def _matches(layout: Layout, words: U64, keys: I64, rows: Rows) -> Bools:
    same: Bools = keys[rows] == layout.key
    for number in range(WORDS):
        if layout.mask[number]:
            same &= words[rows, number] & layout.mask[number] == layout.pattern[number]
    return same
