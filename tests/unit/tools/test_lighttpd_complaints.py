"""lighttpd that cannot start: what it has against its configuration is what is said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from testbed.base.errors import CommandError
from testbed.net.netns import here
from testbed.process import CommandLog
from testbed.tools import lighttpd

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("lighttpd", "mnexec"))), reason="needs root, lighttpd and mnexec"
)


def test_a_configuration_that_it_cannot_read_is_named(tmp_path: Path) -> None:
    root = Path('/srv/with-a-"quote')
    with (
        pytest.raises(CommandError, match="configfile parser failed"),
        lighttpd.serving(here(), root, 18080, tmp_path, mptcp=False, log=CommandLog()),
    ):
        pass
