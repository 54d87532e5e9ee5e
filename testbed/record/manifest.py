"""The manifest of a run, `run.json`: what it runs, how it was made, how far it is. The run store writes it.

It may come from anybody. What has the right shape may still say what is not so, but it breaks nobody who reads it, and
no point's id in it leaves the run's directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, FailFast, Field, ValidationError

from testbed.base import files, run_directory, text
from testbed.record.model import Record, Text, Texts
from testbed.record.point_id import PointId

NAME = run_directory.MANIFEST
VERSION = 1
MOST_BYTES = 1 << 26

Facts = dict[str, Any]
"""What a manifest notes for people, and for comparisons with what is the case now; its keys are not promised."""

_Several = Annotated[tuple[Facts, ...], FailFast()]


class RunManifest(Record):
    """A run, as its directory has it; each field's description is what an error says it should have been.

    `plan` are the points in full, `points` their ids. `lab` are the labs as `--lab` takes them (of older toolkits a
    text), `labs` what is known of each; `kernel` is the lab kernel, None where no lab has one. `sources` is the SHA-256
    of the toolkit's own code. `resumed` has the same facts, but the points, of each time that the run was continued;
    `verifies` is the run that this one repeats. What older toolkits did not note has its default; what newer ones note
    is kept.
    """

    model_config = ConfigDict(extra="allow")

    version: int
    state: Text = Field("unknown", description="a text")
    command: Texts = Field((), description="a list of texts")
    toolkit: Text | None = Field(None, description="a text")
    sources: Text | None = Field(None, description="a text")
    kernel: Facts | None = Field(None, description="an object")
    host: Facts | None = Field(None, description="an object")
    tools: Facts | None = Field(None, description="an object")
    libraries: Facts | None = Field(None, description="an object")
    lab: Texts | Text = Field((), description="a list of texts")
    labs: _Several = Field((), description="a list of objects")
    started_at: Text | None = Field(None, description="a text")
    finished_at: Text | None = Field(None, description="a text")
    verifies: Text = Field("", description="a text")
    plan: _Several = Field((), description="a list of points")
    points: Annotated[tuple[PointId, ...], FailFast()] = Field(description="a list of ids of points")
    resumed: _Several = Field((), description="a list of objects")

    @property
    def is_complete(self) -> bool:
        """Whether the run came to its end."""
        return self.state == "complete"

    @property
    def lab_names(self) -> tuple[str, ...]:
        """The labs as `--lab` takes them; none where the manifest is older than those."""
        return self.lab if isinstance(self.lab, tuple) else ()


def read(path: Path) -> RunManifest:
    """What the manifest says; raises OSError, or ValueError with what is wrong with it in one line."""
    try:
        document = text.parse_json(files.read_bytes(path, MOST_BYTES))
    except UnicodeDecodeError:
        raise ValueError("not JSON: not UTF-8 text") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("not the manifest of a run")
    version = document.get("version")
    if version != VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise ValueError(f"version {str(version)[:20]}, but this toolkit reads version {VERSION}")
    try:
        return RunManifest.model_validate(document)
    except ValidationError as error:
        raise ValueError(f"not the manifest of a run{_problem(error)}") from None


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    field = RunManifest.model_fields.get(key)
    if field is None:  # a name of a key that is no text
        return ""
    return f": it has no {key!r}" if first["type"] == "missing" else f": {key!r} is not {field.description}"
