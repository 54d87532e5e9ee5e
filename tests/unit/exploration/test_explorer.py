"""What hands out the cases of an exploration: ended in the middle of it, it ends what it has begun."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from experiments import api
from experiments.api.exploring import Explorer
from testbed.labs.base import Cancel
from testbed.record.exploration import Case, Fault
from testbed.signals import Interrupted


def test_a_signal_while_batches_are_handed_out_ends_those_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = Cancel()
    point = api.plan(["fig07"])[0]
    explorer = Explorer(point, [], tmp_path, bound_s=1.0, cancel=cancel)
    explorer._width = 1
    ended: list[bool] = []
    monkeypatch.setattr(explorer, "_batch", lambda *_: ended.append(cancel.wait(30)))
    submit = ThreadPoolExecutor.submit

    def interrupted(self: ThreadPoolExecutor, *arguments: Any) -> Any:
        monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
        submit(self, *arguments)
        raise Interrupted("interrupted")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    case = Case(id="lost-1", faults=(Fault(packet=1, what="lost"),))
    with pytest.raises(Interrupted):
        explorer.run([case, case])
    assert ended == [True]
