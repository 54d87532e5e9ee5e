"""A trace whose process was killed goes on in this machine's kernel: nobody's is removed, somebody's is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.cli import main
from testbed.base.errors import TestbedError
from testbed.labs import mount
from testbed.tools import kernel_trace

pytestmark = pytest.mark.skipif(not Path("/sys/kernel/tracing").is_dir(), reason="this kernel lacks tracing")

RECORDING = """
import time
from testbed.tools import kernel_trace
with kernel_trace.tracing(["resets", "retransmissions"], 1 << 20, virtual=False):
    print("on", flush=True)
    time.sleep(100)
"""
NAME = "/sys/kernel/tracing/instances/mptcp-lb-testbed"


def there() -> bool:
    """Whether the kernel has a trace of ours."""
    with mount.nowhere("tracefs") as root:
        return (root / "instances" / "mptcp-lb-testbed").exists()


@pytest.fixture
def recording() -> Iterator[subprocess.Popen[str]]:
    """A process that records; it ends with the test, and so does what it left."""
    with subprocess.Popen([sys.executable, "-c", RECORDING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "on\n"
        yield process
        process.kill()
    kernel_trace.remove_left()


def test_a_trace_in_use_is_left_alone_and_one_of_a_killed_run_is_cleaned_away(
    recording: subprocess.Popen[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with (
        pytest.raises(TestbedError, match=f"{NAME}: another run records a trace"),
        kernel_trace.tracing(["resets"], 1 << 20, virtual=False),
    ):
        pass
    assert kernel_trace.remove_left() == [] and there()
    recording.kill()
    recording.wait()
    assert there()
    with pytest.raises(SystemExit) as ended:
        main.main(["clean"])
    assert ended.value.code == 0 and f"removed {NAME}\n" in capsys.readouterr().out
    assert not there()


def test_who_records_next_removes_what_was_left(recording: subprocess.Popen[str]) -> None:
    recording.kill()
    recording.wait()
    with kernel_trace.tracing(["resets"], 1 << 20, virtual=False) as trace:
        assert (trace.folder / "events/tcp/tcp_retransmit_skb/enable").read_text() == "0\n"
        assert (trace.folder / "events/tcp/tcp_send_reset/enable").read_text() == "1\n"
    assert not there()
