"""The connection breaks: the job goes on there, and is found again, running or finished; or it ends by itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ssh_host import Host, Wire, ours, settles
from ssh_user import Here

from testbed.labs.base import Job
from testbed.labs.ssh.reconnection import Timeouts
from testbed.labs.ssh.setup import open_ssh_lab

pytestmark = [
    pytest.mark.usefixtures("provided"),
    pytest.mark.skipif("os.geteuid() != 0", reason="the other side's local lab needs root"),
]

LINES = 60
LOOP = f"i=0; while [ $i -lt {LINES} ]; do echo $i; i=$((i+1)); sleep 0.1; done"
COUNT = f'{LOOP}; echo end > "$TESTBED_OUT/file"; exit 5'


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What it prints up to a line."""
    assert process.stdout is not None
    said = ""
    while not said.endswith(f"{text}\n"):
        line = process.stdout.readline()
        assert line, process.communicate()
        said += line
    return said


def rest_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it prints to its end, and its errors; `communicate` would lose what lies in the reader's buffer."""
    assert process.stdout is not None and process.stderr is not None
    said, errors = process.stdout.read(), process.stderr.read()
    process.wait(60)
    return said, errors


@pytest.fixture
def cuttable(here: Here, host: Host, wire: Wire) -> Here:
    """A user whose connections go over the wire."""
    here.configure(host, wire.port)
    return here


def test_a_job_is_found_still_going_and_nothing_it_printed_is_lost_or_doubled(
    cuttable: Here, host: Host, wire: Wire
) -> None:
    process = cuttable.start("exec", "--lab", "ssh:far/local", "--out", "out", "--", "sh", "-c", COUNT)
    said = read_until(process, "5")
    for _ in range(2):
        wire.cut()
        time.sleep(0.5)
        wire.mend()
        said += read_until(process, str(said.count("\n") + 10))
    rest, errors = rest_of(process)
    assert said + rest == "".join(f"{i}\n" for i in range(LINES))
    assert (process.returncode, errors) == (5, "")
    assert wire.connections == 3
    assert (cuttable.work / "out" / "file").read_text() == "end\n"
    assert host.jobs() == []
    assert settles(lambda: not ours(host), 5)  # the helper of a connection ends with it, once it has started


def test_a_job_is_found_finished(cuttable: Here, host: Host, wire: Wire) -> None:
    script = 'echo begun; sleep 2; echo done; echo kept > "$TESTBED_OUT/file"; exit 3'
    process = cuttable.start("exec", "--lab", "ssh:far/local", "--out", "out", "--", "sh", "-c", script)
    assert read_until(process, "begun") == "begun\n"
    (job,) = host.jobs()
    wire.cut()
    assert settles((job / "end.json").exists)
    wire.mend()
    rest, errors = rest_of(process)
    assert (process.returncode, rest, errors) == (3, "done\n", "")
    assert (cuttable.work / "out" / "file").read_text() == "kept\n"
    assert host.jobs() == []


def test_interrupt_stops_the_other_side(here: Here, host: Host) -> None:
    process = here.start("exec", "--lab", "ssh:far/local", "--", "sh", "-c", "echo begun; exec sleep 1000")
    read_until(process, "begun")
    assert ours(host)
    process.send_signal(signal.SIGINT)
    _, errors = rest_of(process)
    assert (process.returncode, errors) == (130, "testbed: error: interrupted\n")
    assert host.jobs() == []
    assert settles(lambda: not ours(host), 5)


def test_interrupt_does_not_wait_for_a_dead_connection(cuttable: Here, host: Host, wire: Wire) -> None:
    process = cuttable.start("exec", "--lab", "ssh:far/local", "--", "sh", "-c", "echo begun; exec sleep 1000")
    read_until(process, "begun")
    wire.cut()
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = rest_of(process)
    assert time.monotonic() - started < 30
    assert process.returncode == 130 and "its job ends by itself within 300 s" in errors
    # It could not tidy up, so that is remembered.
    assert ours(host)
    unreachable = cuttable.testbed("clean")
    assert unreachable.returncode == 4 and unreachable.stderr.count("\n") == 1
    wire.mend()
    cleaned = cuttable.testbed("clean")
    assert cleaned.returncode == 0 and "removed " in cleaned.stdout and "ssh/jobs/" in cleaned.stdout
    assert host.jobs() == []
    assert settles(lambda: not ours(host), 5)
    assert cuttable.testbed("clean").stdout == "nothing to remove\n"


@pytest.fixture
def as_the_user(cuttable: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the user's."""
    monkeypatch.setenv("TESTBED_SSH_CONFIG", cuttable.environment["TESTBED_SSH_CONFIG"])
    monkeypatch.setenv("TESTBED_CACHE", str(cuttable.cache))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.mark.usefixtures("as_the_user")
def test_one_connection_carries_many_jobs_at_once_and_a_silent_one_is_replaced(
    wire: Wire, host: Host, tmp_path: Path
) -> None:
    count = 12  # an sshd allows ten channels
    printed = [bytearray() for _ in range(count)]

    def work(number: int) -> int:
        output = tmp_path / f"out {number}"
        output.mkdir()
        script = f'echo {number}; sleep 6; echo done; head -c 1M /dev/zero > "$TESTBED_OUT/file"; exit {number}'
        job = Job(("sh", "-c", script), output, clock="real")
        status = lab.run(job, stdout=printed[number].extend).status
        assert (output / "file").stat().st_size == 1 << 20
        return status

    timeouts = Timeouts(heartbeat_s=0.3, silence_s=2, retry_s=30, lease_s=40)
    with open_ssh_lab("far/local", None, timeouts=timeouts) as lab, ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(work, number) for number in range(count)]
        assert settles(lambda: all(printed), 60)
        assert wire.connections == 1
        wire.freeze()
        assert [future.result() for future in futures] == list(range(count))
        assert wire.connections == 2
    assert printed == [b"%d\ndone\n" % number for number in range(count)]
    assert host.jobs() == []
    wire.cut()  # the sshd of the silent connection learns of it only now
    assert settles(lambda: not ours(host), 10)


NEAR = """
import sys
from pathlib import Path
from testbed.labs.base import Job
from testbed.labs.ssh.setup import open_ssh_lab
from testbed.labs.ssh.reconnection import Timeouts
with open_ssh_lab("far/local", None, timeouts=Timeouts(heartbeat_s=0.5, silence_s=2, retry_s=1, lease_s=4)) as lab:
    out = Path("out")
    out.mkdir()
    say = lambda data: (sys.stdout.buffer.write(data), sys.stdout.flush())
    lab.run(Job(("sh", "-c", "echo begun; exec sleep 1000"), out, clock="real"), stdout=say)
"""


def test_a_job_that_nobody_asks_for_any_more_ends_by_itself(here: Here, host: Host) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NEAR], cwd=here.work, env=here.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        read_until(process, "begun")
        time.sleep(6)  # longer than the lease: somebody asks
        assert ours(host)
        process.kill()
    killed = time.monotonic()
    assert settles(lambda: not ours(host), 15)
    assert time.monotonic() - killed > 2
    (job,) = host.jobs()
    assert "nobody had asked for it for 4 s" in (job / "end.json").read_text()
    assert here.testbed("clean").stdout.count("removed ") >= 1
    assert host.jobs() == []
