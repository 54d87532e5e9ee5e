from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.base.errors import UsageError
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.events import Event
from testbed.net.mptcp_pm.messages import EventType
from testbed.path_manager.journal import Journal

EVENT = Event(EventType.SUB_CLOSED, 0xBAD, SocketAddress("10.9.1.80", 80), SocketAddress("fd09::2", 4000), error=110)


def test_a_line_for_programs_and_one_for_people(tmp_path: Path) -> None:
    said: list[str] = []
    with Journal(tmp_path / "journal", said.append) as journal:
        journal.event(EVENT)
        journal.event(99)
        journal.note("announce", token=0xBAD, result="ok")
    lines = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [line.pop("epoch_s") > 1e9 for line in lines] == [True] * 3
    assert lines == [
        {
            "what": "sub-closed",
            "token": "00000bad",
            "local": "10.9.1.80:80",
            "remote": "[fd09::2]:4000",
            "error": 110,
        },
        {"what": "unknown-event", "number": 99},
        {"what": "announce", "token": "00000bad", "result": "ok"},
    ]
    assert said[0].endswith(" sub-closed token=00000bad local=10.9.1.80:80 remote=[fd09::2]:4000 error=110")


@pytest.mark.filterwarnings("error")
def test_a_full_disk_ends_the_journal_and_nothing_else() -> None:
    with Journal(Path("/dev/full"), None) as journal:
        journal.event(EVENT)
        journal.flush()
        journal.event(EVENT)
        journal.flush()
    assert journal.lost == 1


def test_a_reader_that_has_left_ends_the_lines_and_nothing_else() -> None:
    def say(_line: str) -> None:
        raise BrokenPipeError

    with Journal(None, say) as journal:
        journal.event(EVENT)
        journal.event(EVENT)
    assert journal.lost == 1


def test_a_file_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Journal(tmp_path / "nowhere" / "journal", None)
