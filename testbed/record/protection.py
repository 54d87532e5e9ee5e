"""What servers' protections have let pass, and what not: `protection.json`."""

from __future__ import annotations

from pathlib import Path

from testbed.record import model, reading
from testbed.record.model import Counter, Record

FILE = "protection.json"


class ProtectionCounts(Record):
    """Packets by the server's name, and by the names that its protection gives them."""

    servers: dict[str, dict[str, Counter]]

    @property
    def together(self) -> dict[str, int]:
        """Those of all servers, by the protection's names."""
        found: dict[str, int] = {}
        for counts in self.servers.values():
            for name, number in counts.items():
                found[name] = found.get(name, 0) + number
        return found


def read_protection(directory: Path) -> ProtectionCounts | None:
    """The counts, None where nothing was protected; raises AnalysisError."""
    return model.read(ProtectionCounts, directory / FILE) if reading.is_there(directory / FILE) else None
