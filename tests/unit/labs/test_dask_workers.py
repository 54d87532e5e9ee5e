"""What the Dask lab makes of workers: their places, their room, whether they agree, what they print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.base.errors import LabError, PrerequisiteError, UsageError
from testbed.labs.dask import address, agreement, machines
from testbed.labs.dask.agreement import Sample, require_agreement
from testbed.labs.dask.cluster import require_same_versions
from testbed.labs.dask.machines import Worker
from testbed.labs.dask.printed import Printed
from testbed.labs.dask.remote import task


def worker(address: str, boot: str = "b", free_bytes: int = 10**9, home: str = "/root") -> Worker:
    return Worker("host", boot, "x86_64", "/usr/bin/python3", home, "/scratch", free_bytes, 1, address)


def answer(name: str, **files: str) -> dict[str, Any]:
    listed = [[path.replace("__", "/"), 1, sha256, 0o644] for path, sha256 in files.items()]
    return {"host": name, "worker": f"tcp://{name}", "end": {"result": {}, "contents": {"files": listed}}}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("local", "local"), ("head:8786", "tcp://head:8786"), ("tls://[::1]:8786", "tls://[::1]:8786")],
)
def test_an_address_is_local_or_a_schedulers(text: str, parsed: str) -> None:
    assert address.parse(text) == parsed


@pytest.mark.parametrize("text", ["", "head", "head:0", "head:99999", "http://head:1", "-x:1", "head:1 2"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="dask:"):
        address.parse(text)


def test_workers_with_the_same_machine_python_and_cache_are_asked_once() -> None:
    workers = [worker("a"), worker("b"), worker("c", boot="other"), worker("d", home="/home/me")]
    assert [each.address for each in machines.representatives(workers)] == ["a", "c", "d"]


def test_a_worker_without_room_is_named_with_its_directory() -> None:
    machines.require_room([worker("a")], "dask:x", 10**8)
    with pytest.raises(PrerequisiteError, match=r"host \(b\): /scratch has 10 MB free, a job needs 100 MB"):
        machines.require_room([worker("a"), worker("b", free_bytes=10**7)], "dask:x", 10**8)


@pytest.mark.parametrize(
    ("share", "jobs", "taken"), [(0.0, 10, 0), (0.1, 10, 1), (0.1, 1, 1), (0.5, 8, 4), (1.0, 5, 5)]
)
def test_a_share_of_the_jobs_is_done_twice_and_at_least_one(share: float, jobs: int, taken: int) -> None:
    sample = Sample(share)
    assert sum(sample.takes_next() for _ in range(jobs)) == taken


def test_workers_agree_that_bring_the_same_bytes_whatever_their_guests_log() -> None:
    require_agreement(
        answer("a", ab="1", guest__log="2", digests="3"), answer("b", ab="1", guest__log="9", digests="3"), "dask:x"
    )


def test_workers_that_do_not_agree_are_both_named_with_the_files() -> None:
    with pytest.raises(LabError, match=r"a \(tcp://a\) and b \(tcp://b\) do not agree: not the same bytes in ab, x"):
        require_agreement(answer("a", ab="1"), answer("b", ab="2", x="3"), "dask:x")
    failed = {"host": "b", "worker": "tcp://b", "end": {"error": {"message": "no kernel"}}}
    with pytest.raises(LabError, match="do not agree: the second says: no kernel"):
        require_agreement(answer("a", ab="1"), failed, "dask:x")
    assert agreement.__doc__


def test_what_a_worker_prints_is_passed_on_once_though_another_one_prints_it_again() -> None:
    said: list[bytes] = []
    printed = Printed(said.append, said.append)
    for offset, data in ((0, b"one "), (4, b"two "), (0, b"one "), (4, b"two three "), (99, b"lost before it")):
        printed.hear({"stream": "stdout", "offset": offset, "data": data})
    printed.finish({"stdout": b"one two three four", "stderr": b""})
    assert b"".join(said) == b"one two three four"


def versions(**of: str) -> dict[str, Any]:
    ours = {"packages": {"python": "3.11.2.final.0", "distributed": "2026.8.0"}}
    return {"client": ours, "scheduler": ours, "workers": {"tcp://w": {"packages": {**ours["packages"], **of}}}}


def test_dask_and_python_are_the_same_everywhere() -> None:
    require_same_versions("dask:x", versions(python="3.11.9.final.0"))
    with pytest.raises(PrerequisiteError, match=r"worker tcp://w has Python 3\.12, here it is 3\.11"):
        require_same_versions("dask:x", versions(python="3.12.1.final.0"))
    with pytest.raises(PrerequisiteError, match=r"worker tcp://w has distributed 1, here it is 2026\.8\.0"):
        require_same_versions("dask:x", versions(distributed="1"))


class Attendant:
    """It has answered, and ended, once it was dismissed."""

    has_answered = False

    def dismiss(self) -> None:
        self.has_answered = True

    def is_gone(self, _timeout_s: float) -> bool:
        return True

    def wait(self, _timeout_s: float) -> None:
        pass

    def complaint(self) -> str:
        return ""


def test_a_job_that_prints_faster_than_it_is_told_can_be_ended(tmp_path: Path) -> None:
    told: list[int] = []

    def tell(said: Mapping[str, Any]) -> None:
        told.append(said["offset"])
        assert len(told) < 1000
        with (tmp_path / "stdout").open("ab") as file:
            file.write(2 * said["data"])

    (tmp_path / "stdout").write_bytes(bytes(32768))
    assert task._run(tmp_path, Attendant(), tell, lambda: False) == ""  # type: ignore[arg-type]
    assert told == [32768 * number for number in range(32)]  # 16 at each look; what is left comes with the answer
