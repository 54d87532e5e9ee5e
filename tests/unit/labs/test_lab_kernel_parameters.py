"""How the lab kernel is started: what it is told depends on what it knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.base.errors import PrerequisiteError
from testbed.labs.base import Job
from testbed.labs.uml import UmlLab
from testbed.labs.uml_boot import BOOT_SEED, command_line

OLD_HELP = "debug\n    Starts the debugger.\n\nrng_seed=<number>\n    A generator: not seccomp=.\n"
SEED_HELP = OLD_HELP + "    A number that is written to /proc/rng_seed takes its place from there on.\n"
TEMPLATE_HELP = SEED_HELP + "\ntemplate=<file descriptor>\n    A socket.\n"
NEW_HELP = OLD_HELP + "\nseccomp=<on/auto/off>\n    Configure whether or not SECCOMP is used.\n"


def kernel(folder: Path, help_text: str) -> Path:
    """A program that says this of its parameters."""
    image = folder / "linux"
    image.write_text(f"#!/bin/sh\n[ \"$*\" = --help ] && cat <<'END'\n{help_text}END\n")
    image.chmod(0o755)
    return image


@pytest.mark.parametrize(("help_text", "told"), [(OLD_HELP, False), (NEW_HELP, True)])
def test_a_kernel_that_can_is_told_to_use_seccomp_where_the_host_has_it(
    tmp_path: Path, help_text: str, told: bool
) -> None:
    image = kernel(tmp_path, help_text)
    argv = command_line(image, Job(("true",), tmp_path), ("null", "null"))
    assert ("seccomp=auto" in argv) is told
    assert argv[0] == str(image) and "norandmaps" in argv


@pytest.mark.parametrize(("help_text", "first"), [(OLD_HELP, 7), (SEED_HELP, BOOT_SEED)])
def test_where_a_guest_can_set_the_seed_itself_all_boots_are_alike(tmp_path: Path, help_text: str, first: int) -> None:
    argv = command_line(kernel(tmp_path, help_text), Job(("true",), tmp_path, seed=7), ("null", "null"))
    assert f"rng_seed={first}" in argv


def test_a_kernel_of_which_no_copies_can_be_made_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    UmlLab(kernel(tmp_path / "new", TEMPLATE_HELP), shared_boot=True).close()
    with pytest.raises(PrerequisiteError, match="lab kernel abc: its guests cannot share a boot") as no:
        UmlLab(kernel(tmp_path, SEED_HELP), kernel_id="abc", shared_boot=True)
    assert "testbed kernel build" in no.value.hint
