"""What `make reproduce` calls in which order, and how it goes on after an interruption."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "reproduce"

# Stands in for the command line, of which other tests know that it works: it notes how it was called, leaves a
# manifest, and ends with the status that the file `status-PART` holds.
RECORDER = """#!/bin/sh
echo "$@" >>calls
out=
while [ $# -gt 0 ]; do [ "$1" = --out ] && out=$2; shift; done
mkdir -p "$out" && touch "$out/run.json"
exit "$(cat "status-$(basename "$out")" 2>/dev/null || echo 0)"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    testbed = tmp_path / "testbed"
    testbed.write_text(RECORDER)
    testbed.chmod(0o755)
    return tmp_path


def reproduce(place: Path, *further: str) -> tuple[int, list[str]]:
    (place / "calls").unlink(missing_ok=True)
    command = [SCRIPT, "./testbed", "quick", *further]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    return done.returncode, (place / "calls").read_text().splitlines()


def test_every_part_runs_and_the_report_is_the_last(place: Path) -> None:
    status, calls = reproduce(place)
    assert status == 0
    root = "results/reproduce-quick"
    figures = "fig06 fig07 fig08 fig09 fig10 fig11 delay-readings one-interface"
    options = "--scheme all --shared-boot --real-repeat 3 --profile quick"
    assert calls[0] == f"run {figures} {options} --out {root}/load-balancer"
    parts = ["load-balancer", "upload", "anycast", "routed-anycast", "ablations"]
    assert [call.rpartition("/")[2] for call in calls[:-1]] == parts
    assert [part for part, call in zip(parts, calls, strict=False) if "--shared-boot" not in call] == ["anycast"]
    assert calls[-1] == f"report {' '.join(f'{root}/{part}' for part in parts)} --out {root}/report.html"


def test_invalid_points_do_not_stop_the_others(place: Path) -> None:
    (place / "status-upload").write_text("6")
    status, calls = reproduce(place)
    assert (status, len(calls)) == (0, 6)


def test_an_interruption_stops_and_the_next_call_goes_on(place: Path) -> None:
    (place / "status-upload").write_text("130")
    status, calls = reproduce(place)
    assert (status, len(calls)) == (130, 2)
    (place / "status-upload").unlink()
    status, calls = reproduce(place)
    assert status == 0
    assert [call.endswith(" --resume") for call in calls] == [True, True, False, False, False, False]


def test_every_experiment_of_the_toolkit_is_a_part_of_all(place: Path) -> None:
    from experiments.plan import available

    _, calls = reproduce(place, "all")
    named = {word for call in calls[:-1] for word in call.split() if word in available()}
    assert named == set(available())
