"""Made-up words of other machines: the remote side's frames and errors, guests' status files, VM records, netlink."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from harness import fuzz
from mutators import mutate_bytes, mutate_json

from testbed.labs.guest import STATUS_FILE
from testbed.labs.ssh.remote import protocol
from testbed.labs.verdict import GuestExit, judge
from testbed.labs.vm import image, machine
from testbed.net.mptcp_pm import events, subflows

DATA = Path(__file__).parents[1] / "path_manager" / "data"
HEADERS = (
    {"hello": {"protocol": 1, "toolkit": "a1", "python": "3.11"}}, {"heartbeat": True},
    {"job": "j1", "stream": "stdout", "offset": 0, "bytes": 4}, {"job": "j1", "end": {"status": 0}},
)  # fmt: skip
ERROR = {"kind": "GuestTimeout", "message": "no end within 5 s", "hint": "wait", "console": "line\nline"}
STATUS = {"reason": "exit", "status": 0, "waiting": ["ab (pid 3) in poll"], "error": "", "clock_s": 1.5}
MACHINE = {
    "port": 2222, "accelerator": "kvm", "why": "", "memory_mib": 1024, "cpus": 2, "kernel": "e609dd793831",
    "image": "a",
    "started_by": "user", "started_at": "2026-11-01", "boot_s": 3.5,
}  # fmt: skip
IMAGE = {
    "format": 1, "id": "abc", "debian": "bookworm", "python": "3.11", "packages": ["a"],
    "dependencies": {"numpy": "2.0"},
    "size": "8G", "built_at": "2026-11-01", "build_s": 300.0,
}  # fmt: skip


def datagrams(pattern: str) -> list[bytes]:
    lines = [line for path in sorted(DATA.glob(pattern)) for line in path.read_text().splitlines()]
    return [bytes.fromhex(line) for line in lines if not line.startswith("#")]


def test_frames_of_the_other_side() -> None:
    def make(chance: Random) -> bytes:
        frames = [json.dumps(header).encode() + b"\n" + b"data" * ("bytes" in header) for header in HEADERS]
        if chance.random() < 0.7:
            frames[chance.randrange(len(frames))] = mutate_json(chance, chance.choice(HEADERS)) + b"\n"
        return mutate_bytes(chance, b"".join(frames)) if chance.random() < 0.5 else b"".join(frames)

    def read(_folder: Path, given: bytes) -> object:
        whole = protocol.FrameReader().feed(given)
        pieces = protocol.FrameReader()
        assert [each for at in range(0, len(given), 4096) for each in pieces.feed(given[at : at + 4096])] == whole
        return whole

    fuzz("frames", make, read)


def test_errors_of_the_other_side() -> None:
    def read(_folder: Path, given: bytes) -> object:
        try:
            said = json.loads(given)
        except (ValueError, RecursionError):
            return None
        if isinstance(said, dict):
            raise protocol.error_from_json(said, "lab1")
        return protocol.compare(said, {"protocol": 1}, "lab1")

    fuzz("remote errors", lambda chance: mutate_json(chance, ERROR), read, inputs=20_000, longest=1 << 20)


def test_status_files_of_guests() -> None:
    def prepare(folder: Path) -> None:
        (folder / STATUS_FILE).parent.mkdir(parents=True, exist_ok=True)

    def read(folder: Path, given: bytes) -> object:
        (folder / STATUS_FILE).write_bytes(given)
        return judge(folder, GuestExit(0, False, 10.0, 10.0))

    fuzz("status", lambda chance: mutate_json(chance, STATUS), read, prepare=prepare, inputs=50_000)


def test_records_of_the_vm() -> None:
    from testbed.labs.vm.state import State

    def prepare(folder: Path) -> None:
        (folder / "image").mkdir()

    def read(folder: Path, given: tuple[bytes, bytes]) -> object:
        state = State(folder)
        state.record.write_bytes(given[0])
        (state.image / "manifest.json").write_bytes(given[1])
        return machine.find(state), image.find(state)

    fuzz(
        "vm",
        lambda chance: (mutate_json(chance, MACHINE), mutate_json(chance, IMAGE)),
        read,
        prepare=prepare,
        inputs=20_000,
    )


def test_datagrams_of_the_kernel() -> None:
    """The kernel is trusted; a message that is cut or of another release is still a value or one of our errors."""
    of_events, of_subflows = datagrams("events-*.hex"), datagrams("subflows-*.hex")

    def make(chance: Random) -> tuple[bool, bytes]:
        is_event = chance.random() < 0.8
        return is_event, mutate_bytes(chance, chance.choice(of_events if is_event else of_subflows)[:600])

    def read(_folder: Path, given: tuple[bool, bytes]) -> object:
        is_event, data = given
        return list(events.decode(data, 21)) if is_event else subflows.decode(data)

    fuzz("netlink", make, read, inputs=20_000)
