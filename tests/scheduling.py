"""Which worker gets which tests: the scheduler of pytest-xdist that keeps together what `all_cores` says."""

from __future__ import annotations

import pytest
from all_cores import scope_of
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling


class InOrder(LoadScopeScheduling):
    """Hands out files in the order in which they are collected: the long tests of guests first, what is alone last."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
