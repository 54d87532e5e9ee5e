"""A finding of an exploration as a file of TOML, which repeats it alone: `testbed explore --repeat FILE`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments import toml_source
from testbed.base.errors import ConfigError
from testbed.base.text import plain
from testbed.record.exploration import MOST_FAULTS, Case, Change, Fault
from testbed.record.model import problem


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Expected(_Table):
    """What came of it when it was found."""

    outcome: str
    finding: str = ""
    extra_s: float | None = None
    digest: str = ""


class FindingFile(_Table):
    """A case alone: of which point of which experiment, on which kernel, what is done, and what came of it.

    `set` are settings as `--set` takes them. `kernel` is the identity of the lab kernel's build.
    """

    version: int = Field(default=1, ge=1, le=1)
    experiment: str
    point: str
    set: tuple[str, ...] = ()
    scheme: str = ""
    seed: int = Field(default=1, ge=0)
    kernel: str = ""
    bound_s: float = Field(default=20.0, gt=0)
    fault: tuple[Fault, ...] = Field(default=(), max_length=MOST_FAULTS)
    change: tuple[Change, ...] = ()
    expected: Expected | None = None

    def case(self) -> Case:
        """What is done."""
        return Case(id="repeated", faults=self.fault, changes=self.change)


def read(path: Path) -> FindingFile:
    """The finding in a file; raises `ConfigError`."""
    try:
        return FindingFile.model_validate(toml_source.read(path).data)
    except ValidationError as error:
        raise ConfigError(path, None, problem(error)) from error


def text(finding: FindingFile, *, title: str, comments: Sequence[str], whats: Mapping[int, str]) -> str:
    """The file's text, which says in comments what it is about; `whats` are the packets that faults hit, by number."""
    lines = [f"# {plain(title)}", *(f"# {plain(comment)}" for comment in comments)]
    lines += ["# Again: testbed explore --repeat FILE; the least of its faults: testbed explore --shrink FILE"]
    said = finding.model_dump(mode="json", exclude_defaults=True)
    lines.append(f"version = {finding.version}")
    lines += [f"{name} = {_value(said[name])}" for name in _PLAIN if name in said]
    for fault in said.get("fault", ()):
        note = f"# {plain(whats[fault['packet']])}" if fault["packet"] in whats else ""
        lines += ["", f"[[fault]]{'  ' if note else ''}{note}", *_lines(fault)]
    for change in said.get("change", ()):
        lines += ["", "[[change]]", *_lines(change)]
    if "expected" in said:
        lines += ["", "[expected]", *_lines(said["expected"])]
    return "\n".join(lines) + "\n"


_PLAIN = ("experiment", "point", "set", "scheme", "seed", "kernel", "bound_s")


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in table.items() if value is not None]


def _value(value: object) -> str:
    """A value as TOML has it, whose text, numbers and lists are JSON's."""
    return json.dumps(value)
