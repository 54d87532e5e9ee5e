"""tcpdump: the headers of every packet at an interface, with the kernel's own count of what it dropped."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from testbed.base.errors import CommandError
from testbed.base.families import Family
from testbed.base.needs import program
from testbed.net.netns import Node
from testbed.process import CommandLog, Process, wait_until
from testbed.record.captures import CaptureFile

NEED = program("tcpdump", package="tcpdump", purpose="captures")

SNAP_BYTES, WHOLE_BYTES = 128, 262144
EVERYTHING = "tcp"
OPENINGS_AND_RESETS: Mapping[Family, str] = {
    "ipv4": "tcp[tcpflags] & (tcp-syn|tcp-rst) != 0",
    # libpcap's `tcp[...]` is of IPv4 only: here the next header is TCP, 13 bytes into which are its flags.
    "ipv6": "(ip6[6] = 6 and ip6[53] & (tcp-syn|tcp-rst) != 0)",
}
"""Filters of the packets of a family with one of these flags; they may be joined by `or`."""
BUFFER_KIB, SMALL_BUFFER_KIB = 65536, 4096
_HAND_OVER_S = 1.2
_BUFFERED_BYTES = 512  # of a packet in the buffer: its head, what is kept of it, and what alignment leaves


def without(what: str, addresses: Sequence[str]) -> str:
    """A filter, but for the packets to and from these addresses."""
    return f"({what}) and not ({' or '.join(f'host {each}' for each in addresses)})" if addresses else what


def buffer_kib(packets: float | None) -> int:
    """The buffer for so many packets (None: nobody knows): the small one if it holds all of them, read or not.

    A guest allocates and clears all of a buffer before anything is in it.
    """
    fits = packets is not None and packets * _BUFFERED_BYTES <= SMALL_BUFFER_KIB * 1024
    return SMALL_BUFFER_KIB if fits else BUFFER_KIB


@dataclass
class Capture:
    """One interface's capture: where it goes, and (after the end) how many packets it holds and lost."""

    interface: str
    file: Path
    captured: int = 0
    dropped: int = 0

    def record(self) -> CaptureFile:
        """The entry of captures.json."""
        return CaptureFile(interface=self.interface, file=self.file.name, captured=self.captured, dropped=self.dropped)


@contextlib.contextmanager
def capturing(
    node: Node,
    interfaces: Sequence[str],
    output: Path,
    *,
    log: CommandLog,
    what: str = EVERYTHING,
    buffer_kib: int = BUFFER_KIB,
    snap_bytes: int = SNAP_BYTES,
) -> Iterator[list[Capture]]:
    """Capture TCP headers at each interface until the block ends; the counts are filled in then.

    `what` is tcpdump's filter, `buffer_kib` the kernel's buffer for packets that tcpdump has not read yet, `snap_bytes`
    what is kept of a packet. Raises
    `CommandError` if tcpdump ends before it listens.
    """
    captures = [Capture(interface, output / f"{interface}.pcap") for interface in interfaces]
    with contextlib.ExitStack() as stack:
        running = []
        for capture in captures:
            messages = output / f"{capture.interface}.tcpdump.txt"
            argv = [
                "tcpdump", "-i", capture.interface, "-n", "-p", "-s", str(snap_bytes), "-B", str(buffer_kib),
                "--time-stamp-precision=nano", "-Z", "root", "-w", "-", what,
            ]  # fmt: skip
            # By way of its stdout: of a file that it opens itself it changes the owner, which the guest of an
            # unprivileged user cannot.
            out = stack.enter_context(capture.file.open("wb"))
            err = stack.enter_context(messages.open("wb"))
            process = stack.enter_context(Process(node.enter(*argv), stdout=out, stderr=err, log=log, keeps_id=False))
            running.append((capture, process, messages))
        for capture, process, messages in running:
            wait_until(partial(_begun, process, messages), f"tcpdump on {capture.interface}", timeout_s=30)
        yield captures
        _settle(captures)
        for capture, process, messages in running:
            process.stop(first=signal.SIGINT, grace_s=60)
            _count(capture, messages.read_text())


def _begun(process: Process, messages: Path) -> bool:
    said = messages.read_bytes()
    if b"listening on" not in said and (status := process.poll()) is not None:
        raise CommandError(process.argv, status, said.decode(errors="replace"))
    return b"listening on" in said


def _settle(captures: Sequence[Capture]) -> None:
    """Wait until the files have stopped growing: on its end tcpdump leaves unread what the kernel still holds.

    The kernel hands packets over in blocks, after at most tcpdump's read time-out of a second.
    """
    sizes: list[int] = []
    while sizes != (now := [capture.file.stat().st_size for capture in captures]):
        sizes = now
        time.sleep(_HAND_OVER_S)


def _count(capture: Capture, messages: str) -> None:
    captured = re.search(r"(\d+) packets? captured", messages)
    dropped = re.search(r"(\d+) packets? dropped by kernel", messages)
    # Without its closing lines nobody knows what is missing: count that as a loss, not as none.
    capture.captured = int(captured.group(1)) if captured else 0
    capture.dropped = int(dropped.group(1)) if dropped else 1
