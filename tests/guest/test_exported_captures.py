"""The export of real short points of Figs. 13 and 14, as tshark reads it beside the run's tables."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

from analysis.tables import read_table
from experiments import api
from testbed.record.events import changes, in_words, read_events


def commented(capture: Path) -> list[tuple[str, str]]:
    """The place of each frame that has a comment, and its comments."""
    argv = ["tshark", "-n", "-r", str(capture), "-Y", "frame.comment", "-T", "fields"]
    argv += ["-e", "frame.interface_name", "-e", "frame.comment"]
    text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300).stdout
    return [(place, said) for place, _, said in (line.partition("\t") for line in text.splitlines())]


def test_every_reset_join_and_change_has_its_comment(anycast_run: Path, tmp_path: Path) -> None:
    tables = {name: read_table(anycast_run, name).to_pylist() for name in ("points", "resets", "subflows")}
    for point in tables["points"]:
        name = point["point"]
        found = api.export(anycast_run, name, tmp_path / f"{name}.pcapng")
        assert found.warnings == () and sorted(found.frames) == ["c-eth0", "s1-eth0", "s2-eth0", "s3-eth0"]
        mine = {table: [row for row in rows if row["point"] == name] for table, rows in tables.items()}
        every = commented(found.path)
        at_client = [said for place, said in every if place == "c-eth0"]
        causes = Counter(re.findall(r"\(known by: [a-z]+\); ([a-z-]+): ", "\n".join(at_client)))
        assert causes == Counter(row["cause"] for row in mine["resets"])
        joins = sum("MP_JOIN: asks" in said for said in at_client)
        assert joins == sum(row["kind"] == "join" for row in mine["subflows"])
        assert bool(joins) == (point["protocol"] == "mptcp")
        events = changes(read_events(anycast_run / "points" / name))
        assert len(events) > 1
        for event in events:
            assert sum(f"here: {in_words(event.event, event.whom)}" in said for said in at_client) == 1
        # What a server answers with a RST, the client has got.
        resets = {said for place, said in every if place != "c-eth0" and said.startswith("RST ")}
        received = sum(row["direction"] == "to-client" for row in mine["resets"])
        assert sum("as it left" in said for said in resets) == received
