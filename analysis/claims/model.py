"""What a claim is, what is measured for it, and how single comparisons become one verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from analysis.summary.model import PointSummary


class Verdict(StrEnum):
    """What the points at hand say about a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "cannot be judged here"


class CannotBeJudged(Exception):
    """The points at hand do not allow a verdict; the message says why."""


@dataclass(frozen=True)
class Estimate:
    """A measured value in `unit`, with how far it may be off: `low` to `high`, whose meaning `basis` says."""

    value: float
    low: float
    high: float
    unit: str
    basis: str

    def __str__(self) -> str:
        digits = _digits(self.value or self.high)
        text = f"{self.value:.{digits}f}{_with(self.unit)}"
        if self.low == self.high:
            return f"{text} ({self.basis})"
        return f"{text} ({self.low:.{digits}f} to {self.high:.{digits}f}, {self.basis})"


@dataclass(frozen=True)
class Check:
    """One comparison: what was measured, the bound it is held against, and whether it keeps it.

    `holds` None: it cannot be told, and `why` says so.
    """

    label: str
    measured: Estimate | None
    bound: str
    holds: bool | None
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """The outcome of a claim's checks, with one line that says what decided it."""

    verdict: Verdict
    reason: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that a run can confirm or contradict.

    `place`: where it stands. `figure`: number of the figure it is about, or empty. `sentence`: what it says, in our
    words. `paper`: the paper's own figure, or empty where it gives none. `quantity`, `unit` and `method`: what is
    measured and how. `tolerance`: the bound, and why it is that. `known_reason`: why it is known not to hold
    here, shown only when it does not.
    """

    id: str
    place: str
    figure: str
    sentence: str
    paper: str
    quantity: str
    unit: str
    method: str
    tolerance: str
    check: Callable[[Sequence[PointSummary]], Sequence[Check]] = field(repr=False)
    known_reason: str = ""

    def judged(self, points: Sequence[PointSummary]) -> Judgement:
        """The verdict of these points."""
        try:
            finding = conclude(self.check(points))
        except CannotBeJudged as error:
            finding = Finding(Verdict.OPEN, str(error))
        return Judgement(self, finding)


@dataclass(frozen=True)
class Judgement:
    """A claim and what was found of it."""

    claim: Claim
    finding: Finding

    @property
    def verdict(self) -> Verdict:
        """The finding's verdict."""
        return self.finding.verdict

    @property
    def known_reason(self) -> str:
        """Why the claim does not hold, where that is known and it does not."""
        return self.claim.known_reason if self.verdict is Verdict.FAILS else ""


def conclude(checks: Sequence[Check]) -> Finding:
    """One verdict of all checks: a broken bound decides; without one, so does a check that could not be made."""
    if not checks:
        return Finding(Verdict.OPEN, "nothing was measured")
    broken = [check for check in checks if check.holds is False]
    unknown = [check for check in checks if check.holds is None]
    if broken:
        return Finding(Verdict.FAILS, "; ".join(_line(check) for check in broken), tuple(checks))
    if unknown:
        return Finding(Verdict.OPEN, "; ".join(f"{check.label}: {check.why}" for check in unknown), tuple(checks))
    return Finding(Verdict.HOLDS, f"all of {len(checks)} keep the bound" if len(checks) > 1 else "", tuple(checks))


def _line(check: Check) -> str:
    return f"{check.label}: {check.measured}, wanted: {check.bound}"


def _digits(value: float) -> int:
    size = abs(value)
    return 0 if size >= 1000 or value == 0 else 1 if size >= 10 else 2 if size >= 0.1 else 4


def _with(unit: str) -> str:
    return f" {unit}" if unit else ""
