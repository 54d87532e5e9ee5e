"""A chain of records, each of which says where the next one starts, followed without a step per record.

Where records start can be guessed for a whole window at once (something in them repeats); whether each guess leads
to the next one is then one comparison of arrays. Only where it does not, the chain is followed step by step, so the
result is that of the plain walk, whatever the guesses are worth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.pcap.columns import Rows

Step = Callable[[int], tuple[int, bool] | None]
"""From the start of a record to the start of the next one, and whether it is one to keep; None: go no further."""


class Chain:
    """Guessed starts of records to keep (ascending), and where the record after each would start.

    Both must be what the step says of that place too.
    """

    def __init__(self, starts: Rows, following: Rows) -> None:
        self._starts = starts
        self._following = following
        broken = np.flatnonzero(following[:-1] != starts[1:])
        self._ends = np.append(broken, len(starts) - 1)

    def follow(self, at: int, step: Step) -> tuple[Rows, int]:
        """The starts of the records to keep, from `at` on, and where the walk ends."""
        pieces = []
        while True:
            first = int(np.searchsorted(self._starts, at))
            if first < len(self._starts) and self._starts[first] == at:
                last = int(self._ends[np.searchsorted(self._ends, first)])
                pieces.append(self._starts[first : last + 1])
                at = int(self._following[last])
            elif (found := step(at)) is not None:
                if found[1]:
                    pieces.append(np.array([at], np.int64))
                at = found[0]
            else:
                return (np.concatenate(pieces) if pieces else np.empty(0, np.int64)), at
