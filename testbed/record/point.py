"""What a point was to measure: `point.json`, which the plan makes, the agent obeys and the analysis reads.

Each part of the experiment stands there with its table as plain data, and with its name, of which only the agent makes
anything: what the analysis must know is in the traits.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from testbed.base.errors import AnalysisError, ConfigError
from testbed.base.table import flat
from testbed.base.text import parse_json
from testbed.base.traits import Traits
from testbed.record import legacy, reading
from testbed.record.model import problem
from testbed.record.point_id import is_point_id

VERSION = 2

_LARGEST = 10**15  # of bytes and bits a second: beyond it, nothing can be drawn


def _finite(value: dict[str, Any]) -> dict[str, Any]:
    """The same, if each number in it is one that one can count with."""
    for name, each in value.items():
        if isinstance(each, dict):
            _finite(each)
        elif isinstance(each, float) and not math.isfinite(each):
            raise ValueError(f"{name}: {each} is no number")
    return value


def _an_id(value: str) -> str:
    if not is_point_id(value):
        raise ValueError(f"{reading.shown(value)} cannot name a point")
    return value


Plain = Annotated[dict[str, Any], AfterValidator(_finite)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class PartRecord(_Record):
    """A part of a point: its name in the experiment's file, its table, and what tables and searches show of it.

    `sha256` is that of a user's own code, which is empty for a part of the toolkit, and `module` the module of an
    installed package.
    """

    name: str
    settings: Plain = {}
    parameters: Plain = {}
    sha256: str = ""
    module: str = ""


class Drop(_Record):
    """The loss of one packet per MPTCP connection: the `occurrence`-th, from 1, of those of its kind."""

    packet: str
    occurrence: Annotated[int, Field(ge=1)] = 1


class Trace(_Record):
    """What is recorded beside the captures: groups of the kernel's events, and all packets at the `servers`."""

    events: list[str] = []
    buffer_bytes: Annotated[int, Field(ge=0, le=_LARGEST)] = 0
    servers: bool = False


class Point(_Record):
    """One variant or scheme, condition, protocol, object size, seed and clock of an experiment under one profile.

    `variant` and `condition` are empty where the experiment's file has none. `conditions` are those that `condition`
    names together, by their axes, where the file has several. `sweep` are the values of the settings that are swept, as
    the file would say them, by their dotted keys. `scheme` is the name of the scheme that
    `mptcp` is in all of its settings, `variant` is then what it is called. `parts` are by their kind: `topology`,
    `director`, `workload`, `timetable`. `mptcp` are the settings of `[mptcp]`, numbers with their unit in the name;
    `sysctl` are extra sysctls of client and servers, `sysctl_of` those of the nodes with a role. `director_statistics`:
    what passes the director is recorded there, too. `trace` is what else is recorded, `capture` what is kept
    of the packets. `wire_limit_bps` is the goodput
    that the wire allows, `traits` what the analysis must know of the point's parts.
    """

    version: Literal[2] = 2
    id: Annotated[str, AfterValidator(_an_id)]
    experiment: str
    figure: str
    title: str
    plot: str
    parts: dict[str, PartRecord]
    scheme: str = ""
    variant: str = ""
    condition: str = ""
    conditions: dict[str, str] = {}
    sweep: Plain = {}
    protocol: Literal["tcp", "mptcp"]
    object_bytes: Annotated[int, Field(ge=0, le=_LARGEST)]
    seed: Annotated[int, Field(ge=0, lt=1 << 64)]
    profile: str
    clock: Literal["virtual", "real"]
    mptcp: Plain = {}
    drop: Drop | None = None
    sysctl: dict[str, str | int] = {}
    sysctl_of: dict[str, dict[str, str | int]] = {}
    director_statistics: bool = False
    trace: Trace | None = None
    capture: Literal["headers", "all", "tables"] = "headers"
    wire_limit_bps: Annotated[float, Field(ge=0, le=_LARGEST)] | None
    traits: Traits = Traits()

    @property
    def parameters(self) -> dict[str, Any]:
        """All its numbers in one table, each name with its unit, for tables and searches."""
        found: dict[str, Any] = {}
        for kind, part in self.parts.items():
            for name, value in part.parameters.items():
                found[f"{kind}_{name}" if name in found else name] = value
        found |= self.mptcp
        if self.drop:
            found |= flat({"drop": self.drop.model_dump()})
        sysctls = {"sysctl": self.sysctl, "sysctl_of": self.sysctl_of}
        return found | {name: value for name, value in sysctls.items() if value}

    @property
    def names(self) -> dict[str, str]:
        """The names of its parts, by their kind."""
        return {kind: part.name for kind, part in self.parts.items()}

    @property
    def drop_packet(self) -> str:
        """The packet of which each connection was to lose one, or an empty text."""
        return self.drop.packet if self.drop else ""

    @property
    def is_upload(self) -> bool:
        """Whether the client sends the pages."""
        return self.traits.sender == "client"

    def number(self, parameter: str) -> float | None:
        """A parameter as a number, or None where the point does not have it."""
        value = self.parameters.get(parameter)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def to_json(self) -> str:
        """The text of `point.json`: the same bytes for the same point; what records more is only said where it does."""
        unsaid = {name for name in ("conditions", "sweep", "director_statistics", "trace") if not getattr(self, name)}
        unsaid |= {"capture"} if self.capture == "headers" else set()
        return self.model_dump_json(indent=2, exclude=unsaid) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path | str = "point.json") -> Point:
        """The point of a `point.json`; raises ConfigError, naming `path`, if the text is not one."""
        try:
            return cls.from_plain(parse_json(text))
        except ValidationError as error:
            raise ConfigError(path, None, f"not a point: {problem(error)}") from error
        except ValueError as error:
            raise ConfigError(path, None, f"not a point: {error}") from error

    @classmethod
    def from_plain(cls, raw: object) -> Point:
        """The point in a document of JSON, also of the format before; raises ValueError (pydantic's, too)."""
        if not isinstance(raw, dict):
            raise ValueError("not a JSON object")
        version = raw.get("version")
        if version == legacy.VERSION and not isinstance(version, bool):
            raw = legacy.point_of_today(raw)
        elif version != VERSION:
            versions = f"versions {legacy.VERSION} and {VERSION}"
            raise ValueError(f"version {reading.shown(version)}, but this toolkit reads {versions}")
        return cls.model_validate(legacy.with_all_traits(raw))


def read_point(directory: Path) -> Point:
    """The point of a raw directory; raises AnalysisError, also for a version that is not known here."""
    name = "point.json"
    raw = reading.parse(reading.read_text(directory / name, name), name)
    try:
        return Point.from_plain(raw)
    except ValidationError as error:
        raise AnalysisError(f"{name}: {problem(error)}") from error
    except ValueError as error:
        raise AnalysisError(f"{name}: {error}") from error
