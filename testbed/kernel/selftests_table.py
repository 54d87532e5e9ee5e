"""Two kernels' results of the same selftests side by side: what is new, what was known, and why.

The failures of the unpatched kernel that have an explanation are listed in `selftests-known.toml` of the release's
folder in `kernel-patches/`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from testbed.base.errors import ConfigError
from testbed.kernel.ktap import Subtest
from testbed.kernel.recipe import PATCH_FOLDER
from testbed.kernel.release import Release
from testbed.kernel.selftests_run import UnitResult

KERNEL_LOG = "(kernel log)"
"""Stands for a subtest that fails if the kernel printed a warning."""
WHOLE = "(all)"
"""Stands for the subtests of a unit that has no results in either kernel."""

_QUIET = Subtest(KERNEL_LOG, "ok")

Verdict = Literal["", "fails in both", "repaired", "new failure", "no longer run", "no result"]
_BAD = ("new failure", "no longer run", "no result")

Known = Mapping[tuple[str, str], str]
"""The reason why a subtest fails in this lab, by unit and subtest."""


@dataclass(frozen=True)
class Row:
    """One subtest: its outcome in both kernels (`-`: no result), what that means, what it said, and why (if known)."""

    unit: str
    subtest: str
    base: str
    ours: str
    verdict: Verdict
    note: str
    reason: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether our kernel does worse here than the one it is compared with, or nothing can be said."""
        return self.verdict in _BAD


def known_file(release: Release) -> Path:
    """Where the known failures of a release are listed."""
    return PATCH_FOLDER / release.name / "selftests-known.toml"


def read_known(path: Path) -> Known:
    """The known failures of such a list; raises `ConfigError` for a file that is none."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("failure", [])
        return {(entry["unit"], entry["subtest"]): " ".join(entry["reason"].split()) for entry in entries}
    except OSError as error:
        raise ConfigError(path, None, error.strerror or "cannot be read") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(path, None, str(error)) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(path, None, "not a list of failures", hint="[[failure]] unit, subtest, reason") from error


def compare(base: Sequence[UnitResult], ours: Sequence[UnitResult], known: Known) -> list[Row]:
    """A row for each subtest of either kernel, in the order in which they ran; one row for a unit without any."""
    rows = []
    for before, after in zip(base, ours, strict=True):
        first, second = _by_name(before), _by_name(after)
        for name in dict.fromkeys([*first, *second]) or [WHOLE]:
            one, two = first.get(name), second.get(name)
            if name == KERNEL_LOG:
                one, two = one or _QUIET, two or _QUIET
            said = (two.note if two else after.error) or (one.note if one else before.error)
            reason = known.get((before.unit, name), "")
            rows.append(
                Row(
                    before.unit,
                    name,
                    base=one.outcome if one else "-",
                    ours=two.outcome if two else "-",
                    verdict=_verdict(one, two, before, bool(reason)),
                    note=said,
                    reason=reason,
                )
            )
    return rows


def _by_name(end: UnitResult) -> dict[str, Subtest]:
    found = {subtest.name: subtest for subtest in end.subtests}
    if end.warnings:
        found[KERNEL_LOG] = Subtest(KERNEL_LOG, "fail", end.warnings[0])
    return found


def _verdict(base: Subtest | None, ours: Subtest | None, before: UnitResult, is_known: bool) -> Verdict:
    bad_now = ours is None or ours.outcome == "fail"
    if base is None and before.error:  # nothing to compare with in the whole unit
        return "fails in both" if bad_now and is_known else "no result"
    if base is None:
        return "new failure" if bad_now else ""
    if base.outcome == "fail":
        return "fails in both" if bad_now else "repaired"
    if ours is None or (ours.outcome == "skip" and base.outcome != "skip"):
        return "no longer run"
    return "new failure" if bad_now else ""
