"""What a run directory says about itself: manifest, summary, digests of its points."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.summary.model import SUMMARY_FILE, PointSummary, read_summary
from analysis.summary.of_run import read_manifest
from testbed.base.errors import AnalysisError
from testbed.record import reading
from testbed.record.digests import Digests, read_digests
from testbed.record.manifest import RunManifest

_OF_A_TIME = ("kernel", "labs", "lab", "toolkit", "host", "tools")


@dataclass(frozen=True)
class RunFacts:
    """One run: its manifest, the summaries of its points, and what is to be known of its repetition.

    `digests` has an entry per point that has some, by its id; `missing` are planned points that have no summary.
    """

    directory: Path
    manifest: RunManifest
    points: tuple[PointSummary, ...]
    digests: Mapping[str, Digests]
    missing: tuple[str, ...]

    @property
    def name(self) -> str:
        """The directory's own name, also when it was given as `.` or a link."""
        return self.directory.resolve().name

    @property
    def command(self) -> tuple[str, ...]:
        """The command that made the run."""
        return self.manifest.command

    @property
    def is_complete(self) -> bool:
        """Whether the run came to its end."""
        return self.manifest.is_complete

    @property
    def times(self) -> tuple[Mapping[str, Any], ...]:
        """What the manifest says of where and with what the run was begun, and of each time that it was continued."""
        return ({name: getattr(self.manifest, name) for name in _OF_A_TIME}, *self.manifest.resumed)

    @property
    def kernels(self) -> tuple[Mapping[str, Any], ...]:
        """The kernels' manifests, each once: of all labs, each time; none where they are not known."""
        found: dict[str, Mapping[str, Any]] = {}
        for time in self.times:
            labs = time.get("labs")
            of_labs = [lab.get("kernel") for lab in labs if isinstance(lab, dict)] if isinstance(labs, Sequence) else []
            for kernel in (time.get("kernel"), *of_labs):
                if isinstance(kernel, dict) and kernel:
                    found.setdefault(name_of(kernel), kernel)
        return tuple(found.values())

    def kernel_of(self, point: PointSummary) -> str:
        """The name of the kernel that a point ran on, as far as that is known (`one or other`); empty if it is not.

        In virtual time the digests say it; else it is the kernel, or one of those, that has the point's release.
        """
        if point.id in self.digests:
            return self.digests[point.id].kernel
        alike = [name_of(kernel) for kernel in self.kernels if kernel.get("release") == point.kernel]
        first = name_of(self.kernels[0]) if self.kernels else ""
        return " or ".join(alike) or point.kernel or first

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its points."""
        return tuple(sorted({point.seed for point in self.points}))

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles of its points: of the summaries, or of the plan where a summary is older than that field."""
        planned = [str(entry["profile"]) for entry in self.manifest.plan if "profile" in entry]
        return tuple(sorted({point.profile for point in self.points if point.profile} or set(planned)))

    def only(self, points: Collection[str]) -> RunFacts:
        """The run as if it had just these points, by their ids."""
        return replace(
            self,
            points=tuple(point for point in self.points if point.id in points),
            digests={name: found for name, found in self.digests.items() if name in points},
            missing=tuple(name for name in self.missing if name in points),
        )


def name_of(kernel: Mapping[str, Any]) -> str:
    """What tells a kernel from others, by its manifest: its build's identity, or of a machine's own the release."""
    return str(kernel.get("id") or kernel.get("release") or "unknown")


def read_run(directory: Path) -> RunFacts:
    """The facts of a run directory; raises AnalysisError for one that is none, is newer, or has no summary."""
    if not directory.is_dir():
        raise AnalysisError(f"{directory}: no such run directory")
    manifest = read_manifest(directory)
    if manifest is None:
        raise AnalysisError(f"{directory}: not a run directory: it has no run.json")
    if not reading.is_there(directory / SUMMARY_FILE):
        raise AnalysisError(
            f"{directory}: no {SUMMARY_FILE}", hint=f"finish and analyse it: testbed run --resume --out {directory}"
        )
    points = tuple(read_summary(directory))
    known = {point.id for point in points}
    digests = {point.id: read_digests(directory / "points" / point.id) for point in points}
    return RunFacts(
        directory=directory,
        manifest=manifest,
        points=points,
        digests={point: found for point, found in digests.items() if found is not None},
        missing=tuple(name for name in manifest.points if name not in known),
    )
