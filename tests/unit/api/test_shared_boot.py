"""Which points can share a boot: refused in one line is what cannot."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from experiments import api
from experiments.api.places import require_shared_boot
from experiments.api.planning import job_of, shell_job_of
from testbed.base.errors import UsageError
from testbed.labs.base import Job


def test_points_in_virtual_time_of_the_embedded_lab_share_boots() -> None:
    require_shared_boot(api.plan(["fig07", "fig14"], clocks=["virtual"]), ["uml"])
    require_shared_boot(api.plan(["fig07"], clocks=["virtual"]), [])


@pytest.mark.parametrize("lab", ["local", "vm", "ssh:somewhere"])
def test_other_labs_do_not(lab: str) -> None:
    points = api.plan(["fig07"], clocks=["virtual"])
    with pytest.raises(UsageError, match=f"--shared-boot: not in the lab {lab}") as no:
        require_shared_boot(points, ["uml", lab])
    assert no.value.hint == "labs that can: uml"


def test_points_in_real_time_may_be_beside_them_but_not_all_that_there_is() -> None:
    require_shared_boot(api.plan(["fig07"], clocks=["real", "virtual"]), ["uml"])
    points = api.plan(["fig07"], clocks=["real"])
    with pytest.raises(UsageError, match="every point runs in real time") as no:
        require_shared_boot(points, ["uml"])
    assert "--clock virtual" in (no.value.hint or "")


def test_only_what_stands_still_when_told_to_is_copied(tmp_path: Path) -> None:
    virtual, real = (api.plan(["fig07"], clocks=[clock])[0] for clock in ("virtual", "real"))
    jobs = []
    for number, make in enumerate((job_of, job_of, shell_job_of)):
        (tmp_path / str(number)).mkdir()
        jobs.append(make(real if number == 1 else virtual, tmp_path / str(number)))
    assert [job.stands_still for job in jobs] == [True, False, False]
    assert {field.name: field.default for field in dataclasses.fields(Job)}["stands_still"] is False
