"""What a kernel build tells the one who waits for it: the stage, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["wait", "download", "unpack", "copy", "patch", "configure", "compile", "helpers"]


@dataclass(frozen=True)
class Progress:
    """A stage with `done` of `total` (bytes for a download, steps of make for a compile); total 0 = not known."""

    stage: Stage
    done: int = 0
    total: int = 0


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report to nobody."""
