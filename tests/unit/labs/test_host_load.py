from __future__ import annotations

from testbed.labs import host_load

STAT = """\
cpu  1000 200 300 4000 50 6 7 80 900 0
cpu0 500 100 150 2000 25 3 3 40 450 0
cpu1 500 100 150 2000 25 3 4 40 450 0
intr 12345
ctxt 678
"""


def test_the_cores_time_is_read_from_proc_stat() -> None:
    # user 1000 + nice 200 + system 300 + irq 6 + softirq 7; idle 4000 + iowait 50; steal 80; a guest's is in user's.
    assert host_load.read(STAT, 100) == host_load.CoreTime(2, 15.13, 40.5, 0.8)
