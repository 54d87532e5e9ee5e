"""Digests of a finished point, `digests.json`: SHA-256 of every file that comes out the same when it is run again."""

from __future__ import annotations

from pathlib import Path

from testbed.base.errors import AnalysisError
from testbed.record import model, reading
from testbed.record.model import Record, Seed, Text

FILE = "digests.json"
VERSION = 1


class Digests(Record):
    """`kernel` is the identity of the kernel's build; `files` maps a name to its SHA-256 in hexadecimal."""

    version: int
    kernel: Text
    seed: Seed
    files: dict[Text, Text]

    def differing(self, other: Digests) -> list[str]:
        """Names of the files that are not the same in both, in order; a file that one lacks is among them."""
        names = sorted(self.files | other.files)
        return [name for name in names if self.files.get(name) != other.files.get(name)]


def read_digests(directory: Path) -> Digests | None:
    """The digests of a point's directory, None if it has none; raises AnalysisError for a file that is not one."""
    path = directory / FILE
    if not reading.is_there(path):
        return None
    raw = reading.parse_object(reading.read_text(path, most=model.MOST_BYTES), str(path))
    if raw.get("version") != VERSION:
        raise AnalysisError(f"{path}: not digests of version {VERSION}")
    return model.parse(Digests, raw, str(path))
