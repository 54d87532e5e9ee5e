"""Gives its place in a guest to a program whose random numbers follow from a seed: `python -m ... SEED PROGRAM...`.

The kernel of the guest draws its own from the seed as well: initial sequence numbers, keys, and what `netem` loses.
"""

from __future__ import annotations

import os
import sys

from testbed import lab_clock


def main(seed: int, argv: list[str]) -> None:
    """Set the seed, wait for a whole second of the guest's clock, and become the program."""
    lab_clock.set_seed(seed)
    lab_clock.start_afresh()
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
