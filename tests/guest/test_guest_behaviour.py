"""The embedded lab keeps its promises: output, status, clock, a read-only host, and every bad end told apart."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from probe_cases import processes_in

from testbed.base.errors import GuestAsleep, GuestKilled, GuestPanic, GuestTimeout, RunInterrupted
from testbed.labs.base import Cancel, Job
from testbed.labs.uml import UmlLab

PANIC = """
# Process 1 ignores signals; with its C library's code overwritten it faults, and that the kernel cannot ignore.
for line in open("/proc/1/maps"):
    if "libc.so" in line and "r-xp" in line:
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        with open("/proc/1/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(b"\\xf4" * (end - start))
"""


def runtime_directories() -> list[str]:
    prefix = f"mptcp-testbed-{os.getpid()}-"
    return [path.name for path in Path(tempfile.gettempdir()).glob(f"{prefix}*")]


def test_output_and_status_pass_through(guest) -> None:
    ended = guest("sh", "-c", "printf 'a\\0b\\r\\n'; echo oops >&2; exit 7")
    assert (ended.stdout, ended.stderr, ended.result.status) == (b"a\0b\r\n", b"oops\n", 7)


def test_standard_input_passes_through(guest, tmp_path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"one\ntwo\n")
    assert guest("wc", "-l", stdin=text).stdout == b"2\n"


def test_missing_command_ends_with_127(guest) -> None:
    assert guest("no-such-command").result.status == 127


def test_command_killed_by_a_signal_ends_with_128_and_its_number(guest) -> None:
    assert guest("sh", "-c", "kill -TERM $$").result.status == 143


def test_virtual_sleep_takes_no_wall_time_and_exact_virtual_time(guest) -> None:
    ended = guest.python("import time; a = time.monotonic(); time.sleep(500); print(round(time.monotonic() - a, 3))")
    assert ended.stdout == b"500.0\n"
    assert ended.result.clock_s == pytest.approx(500, abs=0.1)


def test_virtual_clock_starts_at_a_fixed_time(guest) -> None:
    assert guest("date", "-u", "+%F %T").stdout == b"2017-10-10 00:00:00\n"


def test_real_clock_is_the_hosts(guest) -> None:
    started = time.time()
    shown = int(guest("date", "+%s", clock="real").stdout)
    assert started - 2 <= shown <= time.time() + 2


def test_host_is_read_only_but_for_the_output_directory(guest, tmp_path) -> None:
    target = tmp_path / "touched"
    ended = guest("sh", "-c", f"touch /etc/touched; touch {target}; echo kept > $TESTBED_OUT/file; echo x > /tmp/y")
    assert not Path("/etc/touched").exists()
    assert not target.exists()
    assert (ended.output / "file").read_text() == "kept\n"


def test_what_a_command_puts_in_the_place_of_its_status_is_replaced(guest, tmp_path) -> None:
    fifos = guest("sh", "-c", "cd $TESTBED_OUT/guest && mkfifo status.json dmesg.log && exit 3", wall_limit_s=60)
    assert (fifos.result.status, fifos.result.kernel_warnings) == (3, ())
    links = guest(
        "sh", "-c", "cd $TESTBED_OUT && : >mine && ln -s ../mine guest/status.json && exit 4", wall_limit_s=60
    )
    assert links.result.status == 4
    assert [path.read_text() for path in tmp_path.rglob("mine")] == [""]


def test_endless_sleep_is_told_from_a_time_out(guest) -> None:
    with pytest.raises(GuestAsleep, match="sleep infinity"):
        guest("sleep", "infinity", clock_limit_s=1000)


def test_busy_guest_past_its_clock_limit_is_a_time_out(guest) -> None:
    with pytest.raises(GuestTimeout, match="no end within 50 s of the guest's clock") as caught:
        guest("sh", "-c", "while :; do sleep 0.1; done", clock_limit_s=50)
    assert not isinstance(caught.value, GuestAsleep)


def test_spinning_guest_meets_the_wall_limit(guest) -> None:
    with pytest.raises(GuestTimeout, match="after 3 s of real time"):
        guest("sh", "-c", "while :; do :; done", wall_limit_s=3)
    assert runtime_directories() == []


def test_panic_is_reported_with_the_console(guest) -> None:
    with pytest.raises(GuestPanic, match="Attempted to kill init") as caught:
        guest.python(PANIC)
    assert "Kernel panic" in caught.value.console


def test_kill_from_outside_is_told_apart(guest) -> None:
    def kill_the_kernel() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for name in runtime_directories():
                pid = Path(tempfile.gettempdir()) / name / "guest" / "pid"
                if pid.exists() and pid.read_text().strip():
                    os.kill(int(pid.read_text()), 9)
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_the_kernel)
    killer.start()
    with pytest.raises(GuestKilled, match="signal 9"):
        guest("sh", "-c", "while :; do :; done", wall_limit_s=60)
    killer.join()
    assert runtime_directories() == []


def test_cancel_ends_the_guest_and_leaves_nothing(guest) -> None:
    cancel = Cancel()
    threading.Timer(1.5, cancel.set).start()
    with pytest.raises(RunInterrupted):
        guest("sh", "-c", "while :; do :; done", cancel=cancel)
    assert runtime_directories() == []


def test_a_guest_in_real_time_shares_the_core_of_one_in_virtual_time(lab, tmp_path, monkeypatch) -> None:
    own = UmlLab(lab._image)  # waits for a core of its own as long as it takes
    everywhere = os.sched_getaffinity(0)
    cancel, locks, outputs = Cancel(), tmp_path / "locks", [tmp_path / "virtual", tmp_path / "real"]
    for each in (locks, *outputs):
        each.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(locks))
    try:
        os.sched_setaffinity(0, {min(everywhere)})
        with ThreadPoolExecutor() as pool:
            spinning = pool.submit(own.run, Job(("sh", "-c", "while :; do :; done"), outputs[0]), cancel=cancel)
            while not (outputs[0] / "guest" / "console.log").exists():
                time.sleep(0.05)
            try:
                assert own.run(Job(("true",), outputs[1], clock="real", wall_limit_s=120)).status == 0
                assert not spinning.done()
            finally:
                cancel.set()
            with pytest.raises(RunInterrupted):
                spinning.result()
    finally:
        os.sched_setaffinity(0, everywhere)


def test_kill_9_of_the_toolkit_ends_the_guest(lab, tmp_path) -> None:
    code = (
        "import sys; from pathlib import Path; from testbed.labs.uml import UmlLab; from testbed.labs.base import Job\n"
        f"job = Job(('sh', '-c', 'while :; do :; done'), Path({str(tmp_path)!r}))\n"
        f"UmlLab(Path({str(lab._image)!r}), core_wait_s=0).run(job)"
    )
    toolkit = subprocess.Popen([sys.executable, "-c", code])
    marker = f"mptcp-testbed-{toolkit.pid}-"

    def ours() -> list[str]:
        return processes_in(f"{tempfile.gettempdir()}/{marker}")

    try:
        deadline = time.monotonic() + 30
        while len(ours()) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ours()
    finally:
        toolkit.kill()
        toolkit.wait()
    deadline = time.monotonic() + 10
    while ours() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ours() == []
    assert list(Path(tempfile.gettempdir()).glob(f"{marker}*")) == []
