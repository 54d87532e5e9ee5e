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

_KNOWN_AT_MOST = 32  # of each pair of lengths
_RARE_AT_MOST = 32
_RARE = 1 / 256
"""After so many layouts that fewer headers than this share had, looking for the next one costs more than it saves."""


class OptionDecoder:
    """Decodes option spaces chunk by chunk; remembers the layouts it has met, the most frequent first.

    `numbering` gives the IPv6 addresses in ADD_ADDR their numbers.
    """

    def __init__(self, numbering: Ipv6Numbering) -> None:
        self._numbering = numbering
        self._known: dict[int, list[Layout]] = {}

    def decode(self, spaces: U8, captured: I64, declared: I64) -> tuple[dict[str, U32], dict[str, OptionTable]]:
        """The columns `options`, `ts_value` and `ts_echo` of `Packets`, and those tables that have rows.

        `spaces` has one row of 40 bytes per header (C order); `captured` and `declared` are the lengths of its options.
        """
        count = len(spaces)
        columns = {name: np.zeros(count, np.uint32) for name in ("options", "ts_value", "ts_echo")}
        parts: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for layout, rows, words in self._groups(spaces.view(np.uint64), declared << 8 | captured):
            columns["options"][rows] = layout.options
            for item in layout.items:
                part: dict[str, Any] = {}
                for column, at, kind in item.fields:
                    field = np.ndarray((len(words),), kind, words, at, (OPTION_SPACE,))
                    part[column] = self._numbering.numbers(field) if kind == "V16" else field
                if item.table:
                    parts[item.table].append({"packet": rows, **item.constants, **part})
                else:
                    for column, field in part.items():
                        columns[column][rows] = field
        return columns, {name: assemble(name, each, count) for name, each in parts.items()}

    def _groups(self, words: U64, keys: I64) -> Iterator[tuple[Layout, Rows, U64]]:
        """Each layout that occurs, the rows (ascending) that have it, and their option spaces; every row is in one."""
        counts = np.bincount(keys)
        for key in np.flatnonzero(counts).tolist():
            if counts[key] == len(keys):
                yield from self._groups_of_key(key, np.arange(len(keys)), words)
            else:
                rows = np.flatnonzero(keys == key)
                yield from self._groups_of_key(key, rows, words[rows])

    def _groups_of_key(self, key: int, rows: Rows, words: U64) -> Iterator[tuple[Layout, Rows, U64]]:
        """The same for those rows whose option spaces `words` have lengths of one `key`."""
        hits: list[tuple[int, int, Layout]] = []
        known = iter(self._known.get(key, ()))
        rare = 0
        while len(rows):
            if rare > _RARE_AT_MOST:
                yield from _one_by_one(key, rows, words)
                break
            layout = next(known, None)
            is_new = layout is None
            layout = layout or _work_out(words[0], key)
            same = _matches(layout, words)
            found = int(np.count_nonzero(same))
            rare += is_new and found < len(rows) * _RARE
            hits.append((-found, len(hits), layout))
            if found == len(rows):
                yield layout, rows, words
                break
            if found:
                yield layout, rows[same], words[same]
                rows, words = rows[~same], words[~same]
        hits += [(0, len(hits), layout) for layout in known]
        self._known[key] = [layout for _, _, layout in sorted(hits, key=lambda hit: hit[:2])[:_KNOWN_AT_MOST]]


def _one_by_one(key: int, rows: Rows, words: U64) -> Iterator[tuple[Layout, Rows, U64]]:
    """The same where hardly two headers agree, as in noise: in time that grows with the headers, not their square."""
    groups: dict[tuple[bytes, bytes], tuple[Layout, list[int]]] = {}
    for number in range(len(rows)):
        layout = _work_out(words[number], key)
        groups.setdefault((layout.mask.tobytes(), layout.pattern.tobytes()), (layout, []))[1].append(number)
    for layout, numbers in groups.values():
        yield layout, rows[numbers], words[numbers]


def _work_out(words: U64, key: int) -> Layout:
    return work_out(words.tobytes()[: key & 0xFF], key >> 8)


def _matches(layout: Layout, words: U64) -> Bools:
    """Which of the option spaces have the layout, if their lengths are its key."""
    same: Bools | None = None
    for number in range(WORDS):
        if layout.mask[number]:
            equal: Bools = words[:, number] & layout.mask[number] == layout.pattern[number]
            same = equal if same is None else same & equal
    return np.ones(len(words), np.bool_) if same is None else same
