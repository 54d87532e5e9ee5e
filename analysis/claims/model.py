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


class NoSuchPoint(CannotBeJudged):
    """There is no point at all of those that a claim is about."""


PAPER = "paper"
"""The name of the scheme by which the paper's claims are judged."""


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
class Mechanism:
    """Why a claim is known not to hold: in words, the kind of figure that shows it, and the command that draws it."""

    text: str
    figure: str
    command: str

    def __str__(self) -> str:
        return f"{self.text} Figure `{self.figure}` of `{self.command}` shows it."


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that a run can confirm or contradict.

    `place`: where it stands. `figure`: number of the figure it is about, or empty. `sentence`: what it says, in our
    words. `paper`: the paper's own figure, or empty where it gives none. `quantity`, `unit` and `method`: what is
    measured and how. `tolerance`: the bound, and why it is that. `known_reason`: why it is known not to hold
    here, shown only when it does not, by whatever scheme. `by_scheme`: whether it is about how MPTCP is set up, so that
    each scheme has a verdict of its own; the claim's is that of the paper's scheme.
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
    known_reason: Mechanism | None = None
    by_scheme: bool = True

    def judged(self, points: Sequence[PointSummary]) -> Judgement:
        """The verdict of these points."""
        if not self.by_scheme:
            found, about_it = self._finding(points)
            return Judgement(self, found, has_points=about_it)
        schemes = {point.scheme: point.variant for point in points if _has_scheme(point)}
        finding, has_points = self._finding(_of_scheme(points, PAPER))
        others = []
        for scheme, label in schemes.items():
            found, about_it = self._finding(_of_scheme(points, scheme))
            if scheme != PAPER and about_it:
                others.append(OfScheme(label or "MPTCP", found))
        return Judgement(self, finding, schemes.get(PAPER, ""), tuple(others), has_points or bool(others))

    def _finding(self, points: Sequence[PointSummary]) -> tuple[Finding, bool]:
        """What some points say, and whether there are any that the claim is about."""
        try:
            return conclude(self.check(points)), True
        except CannotBeJudged as error:
            return Finding(Verdict.OPEN, str(error)), not isinstance(error, NoSuchPoint)


@dataclass(frozen=True)
class OfScheme:
    """What another scheme than the paper's says on a claim; `label` is what figures call it."""

    label: str
    finding: Finding

    @property
    def measured(self) -> str:
        """What it came to, in a line: what decided it, or what was measured."""
        shown = [f"{check.label}: {check.measured}" for check in self.finding.checks if check.measured]
        return "; ".join(shown) if self.finding.verdict is Verdict.HOLDS else self.finding.reason


@dataclass(frozen=True)
class Judgement:
    """A claim and what was found of it: by the paper's scheme, called `label`, and `others` by other schemes.

    `has_points`: whether there are any points that it is about, of whatever scheme; without, nobody has asked for it.
    """

    claim: Claim
    finding: Finding
    label: str = ""
    others: tuple[OfScheme, ...] = ()
    has_points: bool = True

    @property
    def verdict(self) -> Verdict:
        """The finding's verdict."""
        return self.finding.verdict

    @property
    def known_reason(self) -> str:
        """Why the claim does not hold, where that is known and it does not, by whatever scheme."""
        every = (self.finding, *(other.finding for other in self.others))
        fails = any(each.verdict is Verdict.FAILS for each in every)
        return str(self.claim.known_reason) if fails and self.claim.known_reason else ""


def _has_scheme(point: PointSummary) -> bool:
    """Whether its MPTCP is a scheme, or the one set of settings of a run that has no schemes."""
    return point.protocol == "mptcp" and bool(point.scheme or not point.variant)


def _of_scheme(points: Sequence[PointSummary], scheme: str) -> list[PointSummary]:
    """The points without those of other schemes."""
    return [point for point in points if point.scheme == scheme or not _has_scheme(point)]


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
