"""How the lab kernel is started: what it is told depends on what it knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.labs.base import Job
from testbed.labs.uml import command_line

OLD_HELP = "debug\n    Starts the debugger.\n\nrng_seed=<number>\n    A generator: not seccomp=.\n"
NEW_HELP = OLD_HELP + "\nseccomp=<on/auto/off>\n    Configure whether or not SECCOMP is used.\n"


@pytest.mark.parametrize(("help_text", "told"), [(OLD_HELP, False), (NEW_HELP, True)])
def test_a_kernel_that_can_is_told_to_use_seccomp_where_the_host_has_it(
    tmp_path: Path, help_text: str, told: bool
) -> None:
    image = tmp_path / "linux"
    image.write_text(f"#!/bin/sh\n[ \"$*\" = --help ] && cat <<'END'\n{help_text}END\n")
    image.chmod(0o755)
    argv = command_line(image, Job(("true",), tmp_path), ("null", "null"))
    assert ("seccomp=auto" in argv) is told
    assert argv[0] == str(image) and "norandmaps" in argv
