"""The manifest of a run: what is kept of it, and in which words one that is none is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.record import manifest
from testbed.record.manifest import RunManifest

GOOD: dict[str, Any] = {
    "version": 1,
    "state": "complete",
    "command": ["testbed", "run", "7"],
    "kernel": {"id": "e609dd793831", "patches": []},
    "lab": ["uml"],
    "labs": [{"name": "uml"}],
    "started_at": "2026-11-26T10:00:00+00:00",
    "finished_at": None,
    "plan": [{"id": "a", "parameters": {"delay_s": 0.02, "requests": 5}}],
    "points": ["a"],
}


def read(folder: Path, document: object) -> RunManifest:
    (folder / "run.json").write_text(json.dumps(document))
    return manifest.read(folder / "run.json")


def test_what_is_read_is_written_again_byte_by_byte_and_newer_keys_too(tmp_path: Path) -> None:
    for document in (GOOD, {**GOOD, "of_a_newer_toolkit": {"a": [1, None]}}):
        assert json.dumps(read(tmp_path, document).fields()) == json.dumps(document)


def test_what_an_older_toolkit_did_not_note_is_missing_and_its_one_lab_is_a_text(tmp_path: Path) -> None:
    found = read(tmp_path, {"version": 1, "lab": "uml", "points": []})
    assert (found.lab, found.lab_names, found.kernel, found.plan) == ("uml", (), None, ())
    assert not found.is_complete


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": ["a", "../b"]}, "not the manifest of a run: 'points' is not a list of ids of points"),
        ({"points": None}, "not the manifest of a run: 'points' is not a list of ids of points"),
        ({"plan": [1] * 100_000}, "not the manifest of a run: 'plan' is not a list of points"),
        ({"state": 1}, "not the manifest of a run: 'state' is not a text"),
        ({"command": "testbed run"}, "not the manifest of a run: 'command' is not a list of texts"),
        ({"lab": [1]}, "not the manifest of a run: 'lab' is not a list of texts"),
        ({"kernel": "6.12"}, "not the manifest of a run: 'kernel' is not an object"),
        ({"\ud800": 1}, "not the manifest of a run"),
        ({"version": 2}, "version 2, but this toolkit reads version 1"),
        ({"version": True}, "version True, but this toolkit reads version 1"),
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(tmp_path, {**GOOD, **change})
    assert str(caught.value) == message


def test_a_manifest_without_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it has no 'points'"):
        read(tmp_path, {"version": 1})
