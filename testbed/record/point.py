"""What a point was to measure: `point.json`, which the plan makes.

Anything missing or malformed is one AnalysisError that names the file and the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from testbed.base.errors import AnalysisError
from testbed.base.manifest import is_point_id
from testbed.base.traits import Traits
from testbed.base.validation import first_problem
from testbed.record import fields, reading
from testbed.record.legacy import traits_of

POINT_VERSION = 1


@dataclass(frozen=True)
class Point:
    """What was to be measured (`point.json`); each name in `parameters` ends in its unit."""

    id: str
    experiment: str
    figure: str
    title: str
    plot: str
    scenario: str
    variant: str
    condition: str
    protocol: str
    object_bytes: int
    seed: int
    clock: str
    profile: str
    parameters: Mapping[str, object]
    wire_limit_bps: float | None
    traits: Traits = field(default_factory=Traits)

    @property
    def drop_packet(self) -> str:
        """The packet of which each connection was to lose one, or an empty text."""
        packet = self.parameters.get("drop_packet", "none")
        return packet if isinstance(packet, str) and packet != "none" else ""

    @property
    def is_upload(self) -> bool:
        """Whether the client sends the pages."""
        return self.traits.sender == "client"

    def number(self, parameter: str) -> float | None:
        """A parameter as a number, or None where the point does not have it."""
        value = self.parameters.get(parameter)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_point(directory: Path) -> Point:
    """The point of a raw directory; raises AnalysisError, also for a version that is not this one."""
    raw, name = fields.load(directory / "point.json", dict)
    if raw.get("version") != POINT_VERSION:
        raise AnalysisError(
            f"{name}: version {reading.shown(raw.get('version'))}, but this toolkit reads version {POINT_VERSION}"
        )
    if not is_point_id(fields.get(raw, "id", str, name)):
        raise AnalysisError(f"{name}: 'id' is {reading.shown(raw['id'])}, which cannot name a point")
    limit = raw.get("wire_limit_bps")
    return Point(
        id=fields.get(raw, "id", str, name),
        experiment=fields.get(raw, "experiment", str, name),
        figure=fields.get(raw, "figure", str, name),
        title=fields.get(raw, "title", str, name),
        plot=fields.get(raw, "plot", str, name),
        scenario=fields.get(raw, "scenario", str, name),
        variant=fields.get({"variant": "", **raw}, "variant", str, name),
        condition=fields.get({"condition": "", **raw}, "condition", str, name),
        protocol=fields.get(raw, "protocol", str, name),
        object_bytes=fields.get(raw, "object_bytes", int, name),
        seed=fields.get(raw, "seed", int, name),
        clock=fields.get(raw, "clock", str, name),
        profile=fields.get({"profile": "", **raw}, "profile", str, name),
        parameters=fields.get(raw, "parameters", dict, name),
        wire_limit_bps=None if limit is None else fields.get(raw, "wire_limit_bps", float, name),
        traits=read_traits(raw, name),
    )


def read_traits(raw: Mapping[str, Any], name: str) -> Traits:
    """The traits of a point, or of its summary; those of one that has none follow from its scenario.

    Raises AnalysisError, naming the file `name`.
    """
    try:
        if "traits" in raw:
            return Traits.model_validate(raw["traits"])
        return traits_of(
            fields.get(raw, "scenario", str, name), str(raw.get("protocol")), fields.get(raw, "parameters", dict, name)
        )
    except ValidationError as error:
        raise AnalysisError(f"{name}: {first_problem(error, 'traits')}") from error
