"""Damaged captures through the whole analysis: tables, roles, resets; the decoder alone has tests of its own."""

from __future__ import annotations

from pathlib import Path
from random import Random

import download_maker as maker
import packet_maker
import pytest
from harness import fuzz
from mutators import mutate_bytes

from analysis.summary.of_captures import analyse_captures


@pytest.mark.parametrize("version", [0, 1])
def test_captures(version: int, tmp_path: Path) -> None:
    frames = sorted(maker.download(version) + maker.join_by_client(version))
    good = packet_maker.write_pcap(tmp_path / "good.pcap", frames, snap=2000).read_bytes()

    def read(folder: Path, content: bytes) -> None:
        (folder / "damaged.pcap").write_bytes(content)
        found = analyse_captures([folder / "damaged.pcap"])
        for table in found.all_tables().values():
            table.validate(full=True)
        assert all("\n" not in warning for warning in found.warnings)

    def make(chance: Random) -> bytes:
        return mutate_bytes(chance, good)

    fuzz(f"captures {version}", make, read, inputs=500, most_s=10, most_bytes=1 << 31)
