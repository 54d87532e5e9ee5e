"""One point of an experiment: everything that one run in a lab needs, and what `point.json` holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from testbed.base.errors import ConfigError
from testbed.base.text import parse_json
from testbed.base.traits import Traits
from testbed.base.validation import first_problem


class Point(BaseModel):
    """One variant, condition, protocol, object size, seed and clock of an experiment under one profile.

    `variant` and `condition` are empty where the experiment's file has none.
    `parameters` are the numbers of the scenario with their unit in the key, and `sysctl`: a table of
    extra sysctls for client and servers; `sysctl_of`, where it is there, has such a table per role.
    `wire_limit_bps` is the goodput that the wire allows, `traits` what the analysis must know of the point's parts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    version: Literal[1] = 1
    id: str
    experiment: str
    figure: str
    title: str
    plot: Literal["page-size", "timeline", "ablation"]
    scenario: Literal["load-balancer", "anycast"]
    variant: str = ""
    condition: str = ""
    protocol: Literal["tcp", "mptcp"]
    object_bytes: Annotated[int, Field(ge=0, lt=1 << 63)]
    seed: Annotated[int, Field(ge=0, lt=1 << 64)]
    profile: str
    clock: Literal["virtual", "real"]
    parameters: dict[str, Any]
    wire_limit_bps: float
    traits: Traits = Traits()

    @field_validator("parameters")
    @classmethod
    def _are_numbers_one_can_count_with(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, each in value.items():
            if isinstance(each, float) and not math.isfinite(each):
                raise ValueError(f"{name}: {each} is no number")
        return value

    def to_json(self) -> str:
        """The text of `point.json`: the same bytes for the same point."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path | str = "point.json") -> Point:
        """The point of a `point.json`; raises ConfigError, naming `path`, if the text is not one."""
        try:
            point = cls.model_validate_json(text)
            parse_json(text)  # bounds that pydantic does not have
        except ValidationError as error:
            raise ConfigError(path, None, f"not a point: {first_problem(error)}") from error
        except ValueError as error:
            raise ConfigError(path, None, f"not a point: {error}") from error
        return point
