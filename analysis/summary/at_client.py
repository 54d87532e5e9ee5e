"""What a point has captured at its client, and how files are read of which some may be damaged.

Enters: the raw directory, the point. Leaves: the packets of all of the client's interfaces as one, and what each file
that cannot be used says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from analysis.pcap import Packets, merge, read_stored_pcap, with_first_ipv6
from analysis.summary.validity import Capture
from testbed.base.errors import AnalysisError
from testbed.record.captures import FILE, CaptureFile, read_captures
from testbed.record.point import Point

_T = TypeVar("_T")


class Attempts:
    """Reads files, and keeps in `unreadable` what is wrong with those that cannot be."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []

    def __call__(self, read: Callable[[], _T]) -> _T | None:
        """What `read` gives, None where it raises AnalysisError."""
        try:
            return read()
        except AnalysisError as error:
            self.unreadable.append(str(error))
            return None


@dataclass(frozen=True, eq=False)
class AtClient:
    """The captures at the client: their `files` and what was found in each, None where these cannot be read.

    `packets` are those of all of them, None unless each can be read; `interfaces` are the names of theirs.
    """

    files: Sequence[CaptureFile] | None = None
    captures: Sequence[Capture] | None = None
    packets: Packets | None = None
    interfaces: Sequence[str] = ()


def read_at_client(
    directory: Path, point: Point, attempt: Attempts, ipv6: Sequence[bytes], networks: Mapping[bytes, bytes]
) -> AtClient:
    """The captures; the IPv6 addresses `ipv6` have the first numbers, and those in `networks` are taken for one."""
    files = attempt(partial(_listed, directory, point))
    if files is None:
        return AtClient()
    decoded = [(file, attempt(partial(read_stored_pcap, directory / file.file))) for file in files]
    readable = [(file, found) for file, found in decoded if found is not None]
    if files and not readable:  # each of them has given its reason already
        return AtClient(files)
    captures = [Capture(file, found.records, found.warnings) for file, found in readable]
    if not files or len(readable) < len(files):
        return AtClient(files, captures)
    packets = with_first_ipv6(merge([found for _, found in readable]), ipv6, networks)
    # All of them are at the client: what goes by one interface may be answered by another.
    packets = replace(packets, places=(0,) * len(packets.interfaces))
    return AtClient(files, captures, packets, [file.interface for file, found in readable for _ in found.interfaces])


def _listed(directory: Path, point: Point) -> Sequence[CaptureFile]:
    """The list of captures; raises AnalysisError for one without an interface by which the point has a path."""
    files = read_captures(directory)
    wanted = dict.fromkeys(end for path in point.traits.paths for end in path.interfaces)
    lacking = [end for end in wanted if not any(file.interface.endswith(end) for file in files)]
    if files and lacking:
        ends = ", ".join(end.removeprefix("-") for end in lacking)
        raise AnalysisError(f"{FILE}: no capture at the client's {ends}, where the point has a path")
    return files
