"""What the curves of points are called that are listed or drawn together, and in which order they stand.

A curve is a variant or a scheme, or else a protocol; in real time it says so. Where the points that stand together
come from several kernels, each curve has its kernel's release in its name; so it is with the values of a sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from analysis.summary.model import PointSummary
from analysis.summary.sweep import axes_of

Namer = Callable[[PointSummary], str]


def protocol_name(protocol: str, clock: str) -> str:
    """`TCP`, `MPTCP`, and `TCP (real time)` for a measurement in the real clock."""
    return curve_of("", protocol, clock)


def curve_of(variant: str, protocol: str, clock: str, kernel: str = "") -> str:
    """The name of a curve: its variant (or scheme), or else its protocol; `kernel` is a release that has to be said."""
    name = variant or protocol.upper()
    name = f"{name} (real time)" if clock == "real" else name
    return f"{name}, Linux {kernel}" if kernel else name


def arm_namer(together: Iterable[PointSummary]) -> Namer:
    """What the arm of each point is called among those that it stands with, whatever is swept."""
    releases = kernel_names(point.kernel for point in together)
    return lambda point: curve_of(point.variant, point.protocol, point.clock, releases.get(point.kernel, ""))


def namer(together: Sequence[PointSummary]) -> Namer:
    """What the curve of each point is called among those that it stands with: its arm, and what it has of a sweep."""
    arm = arm_namer(together)
    axes = [axis for axis in axes_of(together) if len({axis.text_of(p) for p in together if axis.key in p.sweep}) > 1]
    if not axes:
        return arm
    last = [axis.key.rpartition(".")[2].replace("_", " ") for axis in axes]
    named = [(axis, word if last.count(word) == 1 else axis.name) for axis, word in zip(axes, last, strict=True)]

    def values(point: PointSummary) -> list[str]:
        return [f"{name} {axis.text_of(point)}" for axis, name in named if axis.key in point.sweep]

    return lambda point: ", ".join((arm(point), *values(point)))


def kernel_names(releases: Iterable[str]) -> dict[str, str]:
    """What each kernel's release is called beside others: as little of it as tells them apart; nothing of one alone.

    What has no release (points of older toolkits) is not named.
    """
    whole = sorted({release for release in releases if release})
    if len(whole) < 2:
        return {}
    short = {release: ".".join(release.split(".")[:2]) for release in whole}
    return short if len(set(short.values())) == len(whole) else {release: release for release in whole}


def curves(points: Sequence[PointSummary], name: Namer) -> list[str]:
    """The names of the points' curves, each once: virtual time first, there TCP first, then as the points come."""

    def place(point: PointSummary) -> tuple[bool, bool]:
        return point.clock == "real", point.protocol != "tcp"

    return list(dict.fromkeys(name(point) for point in sorted(points, key=place)))
