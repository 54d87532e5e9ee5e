"""The local lab keeps its promises: output, status, limits, a machine that stays as it was."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from testbed.base.errors import GuestKilled, GuestTimeout, PrerequisiteError, RunInterrupted, UsageError
from testbed.base.needs import Need, kernel, of_part
from testbed.labs.base import Cancel, Job, JobResult
from testbed.labs.local import kernel_options
from testbed.labs.local.lab import LocalLab
from testbed.tools import lighttpd


class Runner:
    """Runs commands in the lab, and keeps what they print."""

    def __init__(self, directory: Path) -> None:
        self.out, self.err, self.output = bytearray(), bytearray(), directory

    def __call__(self, *argv: str, **changes: object) -> JobResult:
        cancel = changes.pop("cancel", None)
        assert cancel is None or isinstance(cancel, Cancel)
        job = Job(argv, self.output, **{"clock": "real", "wall_limit_s": 60, **changes})  # type: ignore[arg-type]
        return LocalLab().run(job, stdout=self.out.extend, stderr=self.err.extend, cancel=cancel)


@pytest.fixture
def local(tmp_path: Path) -> Runner:
    output = tmp_path / "out put"
    output.mkdir()
    return Runner(output)


def runtimes() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"mptcp-testbed-{os.getpid()}-*"))


def test_output_and_status_pass_through(local: Runner) -> None:
    ended = local("sh", "-c", "printf 'a\\0b\\r\\n'; echo oops >&2; exit 7")
    assert (bytes(local.out), bytes(local.err), ended.status) == (b"a\0b\r\n", b"oops\n", 7)
    assert ended.kernel_warnings == ()
    assert runtimes() == []


def test_standard_input_passes_through(local: Runner, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"one\ntwo\n")
    local("wc", "-l", stdin=text)
    assert bytes(local.out) == b"2\n"


@pytest.mark.parametrize(("argv", "status"), [(["no-such-command"], 127), (["sh", "-c", "kill -TERM $$"], 143)])
def test_a_bad_end_has_the_shells_status(local: Runner, argv: list[str], status: int) -> None:
    assert local(*argv).status == status


def test_the_machine_is_read_only_but_for_the_output_directory(local: Runner, tmp_path: Path) -> None:
    target = tmp_path / "touched"
    local("sh", "-c", f'touch /etc/touched {target}; echo x > /tmp/y; echo kept > "$TESTBED_OUT/file"')
    assert not Path("/etc/touched").exists() and not target.exists() and not Path("/tmp/y").exists()
    assert (local.output / "file").read_text() == "kept\n"


def test_sysctls_of_the_machine_and_of_its_network_stay_as_they_are(local: Runner) -> None:
    watched = [Path("/proc/sys/net/ipv4/ip_forward"), Path("/proc/sys/kernel/panic"), Path("/proc/sys/vm/swappiness")]
    before = [path.read_text() for path in watched]
    names = " ".join(map(str, watched))
    local("sh", "-c", f"for f in {names}; do echo 1 > $f; done 2>/dev/null; cat {watched[0]}; hostname other")
    assert bytes(local.out) == b"1\n"  # in its own namespace it can
    assert [path.read_text() for path in watched] == before


def test_a_module_that_the_web_server_cannot_load_is_found_out() -> None:
    found = LocalLab().probe({lighttpd.UPLOADS, lighttpd.module("mod_moonlight", package="lighttpd-moonlight")})
    assert {each.name: each.error for each in found} == {
        "lighttpd mod_webdav": "",
        "lighttpd mod_moonlight": "lighttpd cannot load it",
    }


def test_what_it_starts_in_the_background_ends_with_it(local: Runner) -> None:
    seconds = f"1000.{os.getpid()}"
    local(
        "sh", "-c", f"setsid sleep {seconds} & ip netns add local-lab-test; ps -e -o args= | grep -c 'sleep {seconds}'"
    )
    assert int(local.out) >= 1
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(seconds.encode() in line and b"sleep" in line for line in arguments)
    assert not Path("/run/netns/local-lab-test").exists()


def test_a_command_past_its_limits_is_ended(local: Runner) -> None:
    with pytest.raises(GuestTimeout, match="after 1 s of real time"):
        local("sleep", "100", wall_limit_s=1)
    with pytest.raises(GuestTimeout, match="no end within 1 s"):
        local("sleep", "100", clock_limit_s=1)
    assert runtimes() == []


def test_cancel_ends_the_command_and_leaves_nothing(local: Runner) -> None:
    cancel = Cancel()
    threading.Timer(1.0, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(RunInterrupted):
        local("sleep", "100", cancel=cancel)
    assert time.monotonic() - started < 10
    assert runtimes() == []


def test_a_kill_from_outside_is_told_apart(local: Runner) -> None:
    def kill() -> None:
        """End process 1 of the job's namespace: the parent of the command."""
        wait_for = time.monotonic() + 20
        while time.monotonic() < wait_for:
            for entry in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    ids = re.search(r"^NSpid:\t\d+\t(.*\t)?1$", (entry / "status").read_text(), re.MULTILINE)
                    if ids and os.fsencode(local.output) in (entry / "cmdline").read_bytes().split(b"\0"):
                        os.kill(int(entry.name), signal.SIGKILL)
                        return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(GuestKilled, match="signal 9"):
        local("sleep", "30")
    killer.join()


def test_there_is_no_virtual_clock(local: Runner) -> None:
    with pytest.raises(UsageError, match="no virtual clock"):
        local("true", clock="virtual")
    said = subprocess.run(
        [sys.executable, "-m", "experiments", "exec", "--lab", "local", "--clock", "virtual", "--", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)


def test_a_need_of_ones_own_that_is_not_met_is_one_line(tmp_path: Path) -> None:
    own = Need(
        name="a moonbeam", purpose="counted", probe=(("ip", "link", "show", "lo"), ("ip", "link", "show", "moon"))
    )
    (found,) = LocalLab().probe([own])
    assert found.error == 'Device "moon" does not exist.'
    with pytest.raises(PrerequisiteError, match=r"lacks a moonbeam \(director mine.py: counted\)") as caught:
        LocalLab().require(of_part("director mine.py", [own]))
    assert "\n" not in str(caught.value)
    assert runtimes() == []


def test_an_option_that_the_running_kernel_says_it_lacks_is_named() -> None:
    if kernel_options.options() is None:
        pytest.skip("this kernel does not say how it was configured")
    with pytest.raises(PrerequisiteError, match=r"a kernel with CONFIG_MOONLIGHT; or use --lab uml"):
        LocalLab().require({kernel("moonlight", "CONFIG_MOONLIGHT", probe=(("true",),))})


def test_what_a_probe_leaves_is_gone_with_it() -> None:
    left = Need(name="x", probe=(("ip", "link", "add", "probe-left", "type", "veth"), ("touch", "/tmp/probe-left")))
    assert [each.error for each in LocalLab().probe([left])] == [""]
    assert not Path("/sys/class/net/probe-left").exists() and not Path("/tmp/probe-left").exists()
