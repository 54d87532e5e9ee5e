"""Instructions really counted: a program's own are told exactly, and page loads repeat."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testbed.base.errors import LabError
from testbed.labs.base import Job
from testbed.labs.counting.machine import Machine
from testbed.record.instructions import Counts, read_counts

# A million turns of a loop of two instructions, between two marks.
LOOP = """
import ctypes, mmap
from testbed.labs.counting import marks
page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b940420f00" "ffc9" "75fc" "c3"))  # mov ecx, 1000000; dec ecx; jnz; ret
loop = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
mark = marks.mark()
loop(); mark(); mark(); loop(); mark()
"""


def test_a_loop_of_known_length_is_counted(counting: Machine, tmp_path: Path) -> None:
    done = counting.run(Job((sys.executable, "-c", LOOP), tmp_path, wall_limit_s=900.0, clock_limit_s=1e6))
    assert done.result.status == 0, (tmp_path / "guest/stderr").read_text()
    assert done.result.kernel_warnings == ()
    before, start, end = done.marks
    nothing = start.programs - before.programs
    assert 2_000_002 <= end.programs - start.programs - nothing < 2_005_000  # the call itself is more than a mark


def test_the_machine_sees_this_machines_files_and_writes_only_into_its_window(
    counting: Machine, tmp_path: Path
) -> None:
    script = 'test -e "$1" && ! touch "$1.more" && echo seen >"$TESTBED_OUT/said" && ip -br link && exit 7'
    done = counting.run(Job(("sh", "-c", script, "sh", __file__), tmp_path, wall_limit_s=900.0, clock_limit_s=1e6))
    assert done.result.status == 7 and (tmp_path / "said").read_text() == "seen\n"
    links = (tmp_path / "guest/stdout").read_text().split()
    assert "lo" in links and not [name for name in links if name.startswith(("eth", "en"))]


def test_a_machine_that_takes_too_long_is_ended(counting: Machine, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="ended after 5 s"):
        counting.run(Job(("sleep", "1000000"), tmp_path, wall_limit_s=5.0, clock_limit_s=1e9))


@pytest.fixture(scope="module")
def counts(counting: Machine, tmp_path_factory: pytest.TempPathFactory) -> Counts:
    kept = tmp_path_factory.mktemp("counts") / "counts.json"
    command = ["count-instructions", "fig06", "--sizes", "10 KB", "--repeat", "2", "--out", str(kept)]
    subprocess.run([sys.executable, "-m", "experiments", *command], check=True)
    return read_counts(kept)


def test_page_loads_repeat(counts: Counts) -> None:
    for point in counts.points:
        one, other = point.cost.all
        assert one == pytest.approx(other, rel=0.05), point.id


def test_a_page_over_mptcp_takes_more_than_over_tcp_and_the_director_takes_a_share(counts: Counts) -> None:
    tcp, mptcp = counts.points
    assert (tcp.protocol, mptcp.protocol) == ("tcp", "mptcp")
    assert mptcp.joins is not None and mptcp.joins > 0.7 and tcp.joins is None
    assert mptcp.cost.median > 1.1 * tcp.cost.median
    assert tcp.past_director is not None and tcp.past_director.median < 0.95 * tcp.cost.median
