"""The programs that nodes run for as long as the network is there."""

from __future__ import annotations

import pytest

from testbed.process import Process
from testbed.programs import Programs


def test_all_end_with_the_network_and_one_can_be_killed_before() -> None:
    with Programs() as programs:
        first, second = (programs.start(name, Process(["sleep", "60"])) for name in ("one", "two"))
        assert programs["one"] is first and first.poll() is None
        with pytest.raises(ValueError, match="one runs already"):
            programs.start("one", Process(["true"]))
        programs.kill("one")
        assert first.poll() == -9
        third = programs.start("one", Process(["sleep", "60"]))
    assert second.poll() is not None and third.poll() is not None
