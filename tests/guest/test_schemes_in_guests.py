"""Schemes in the embedded lab: what each is called for arrives at the hosts, and its points stand apart."""

from __future__ import annotations

import json
from pathlib import Path

from experiments import api

OVERRIDES = ('protocols=["mptcp"]', "workload.sizes=100 KB", "workload.total=2 MB", "workload.min_requests=20")


def test_each_scheme_has_its_sysctls_and_a_curve_of_its_own(tmp_path: Path) -> None:
    points = api.plan(["fig07"], overrides=OVERRIDES, schemes=["paper", "upstream", "close"])
    found = api.run(points, out=tmp_path / "run")
    found.require_valid()
    said = {}
    for point in points:
        settings = json.loads((tmp_path / "run" / "points" / point.id / "settings.json").read_text())
        sysctls = settings["s1"]["mptcp"]["sysctl"]
        said[point.scheme] = [
            sysctls.get(f"net.mptcp.{name}") for name in ("lb_mode", "add_addr_resend_interval", "cwnd_push")
        ]
    assert said == {"paper": ["1", "10", "2"], "upstream": [None] * 3, "close": ["2", "10", None]}
    assert [summary.scheme for summary in found.summaries] == ["paper", "upstream", "close"]
    assert len({summary.kernel for summary in found.summaries}) == 1 and found.summaries[0].kernel
    for label in ("MPTCP, as in the paper", "MPTCP, upstream", "MPTCP, close"):
        assert label in found.text()
