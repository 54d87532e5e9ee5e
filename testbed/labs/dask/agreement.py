"""Whether machines agree: a share of the jobs is done by two workers, and what they bring is compared by SHA-256."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from testbed.base.errors import LabError
from testbed.base.text import plain

_NAMED = 3


class Sample:
    """Which jobs are done twice: the first, and from then on so many that their share is kept."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.agreed = 0
        self._taken = 0
        self._seen = 0
        self._lock = threading.Lock()

    def takes_next(self) -> bool:
        """Whether the job that asks is one of them."""
        with self._lock:
            self._seen += 1
            takes = self.share > 0 and self._taken < max(1, round(self.share * self._seen))
            self._taken += takes
            return takes


def require_agreement(first: Mapping[str, Any], second: Mapping[str, Any], lab: str) -> None:
    """Raise `LabError` unless both workers have come to the same: an end without error, and the same files.

    As for a point's digests, folders of a lab's own (`guest/`) are left out: they have process ids in them.
    """
    who = " and ".join(plain(f"{each['host']} ({each['worker']})") for each in (first, second))
    if "error" in second["end"]:
        raise LabError(f"{lab}: {who} do not agree: the second says: {plain(second['end']['error'].get('message'))}")
    here, there = _digests(first), _digests(second)
    names = sorted(name for name in here | there if here.get(name) != there.get(name))
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise LabError(
            f"{lab}: {who} do not agree: not the same bytes in {plain(', '.join(names[:_NAMED]))}{more}",
            hint="see whether both have the same Debian packages: testbed doctor --lab",
        )


def _digests(answer: Mapping[str, Any]) -> dict[str, str]:
    listed = answer["end"].get("contents", {}).get("files", ())
    return {name: sha256 for name, _size, sha256, _mode in listed if "/" not in name and not name.startswith(".")}
