"""A run directory for the report, made of summaries."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from claim_points import page, pages, timeline

from analysis.summary.model import PointSummary, write_json

POINTS = [
    *pages("7", "tcp", 94.0),
    *pages("7", "mptcp", 900.0),
    replace(page("11", "mptcp", 10_000_000, 333.0), id="slow"),
    replace(page("11", "tcp", 10_000_000, 5.5), id="bad", valid=False, invalid_reasons=("capture drops: 7 <packets>",)),
    timeline("13"),
]
PATCH = "0002-mptcp-repeat-an-ADD_ADDR-without-echo-on-traffic.patch"


def make_run(directory: Path, results: list[PointSummary], **changes: Any) -> Path:
    """A run directory with a manifest, a summary, and the digests of its first point."""
    (directory / "points").mkdir(parents=True)
    manifest = {
        "version": 1, "state": "complete", "command": ["testbed", "run", "fig07", "--set", "workload.total=1 MB"],
        "toolkit": "9.8.7", "kernel": {"id": "295f7df4419e", "release": "6.12.117", "patches": [{"name": PATCH}]},
        "host": {"cpus": 2}, "tools": {"tcpdump": "4.99.3-1"}, "lab": "uml", "started_at": "2026-01-02T03:04:05+00:00",
        "finished_at": None, "points": [point.id for point in results], "plan": [],
    }  # fmt: skip
    (directory / "run.json").write_text(json.dumps(manifest | changes))
    write_json(directory, results)
    if results:
        raw = directory / "points" / results[0].id
        raw.mkdir()
        files = {"ab.txt": "a" * 64, "c-eth0.pcap": "b" * 64, "settings.json": "c" * 64}
        digests = {"version": 1, "kernel": "295f7df4419e", "seed": 1, "files": files}
        (raw / "digests.json").write_text(json.dumps(digests))
    return directory


class Page(HTMLParser):
    """Elements with their attributes, ids, text, and whether every element is closed."""

    VOID = frozenset({"meta", "img", "br", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, *names: str) -> list[str]:
        return [str(value) for _, attrs in self.elements for name, value in attrs.items() if name in names]
