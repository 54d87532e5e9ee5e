"""Who may reach a server's unique address: nobody is kept away if the file says nothing, and a user's own is a part."""

from __future__ import annotations

from pathlib import Path

from experiments import api
from experiments.composition import parts_of

OWN = """\
from testbed.net import sysctl
from testbed.protection.base import Protection


class Quiet(Protection):
    def protect(self, network, layout, server):
        return sysctl.put(network[server.name], {"net.ipv4.tcp_syncookies": 0})
"""


def test_a_file_that_says_nothing_protects_nothing() -> None:
    point = api.plan(["fig14"])[0]
    assert point.names["protection"] == "none"
    without = point.model_copy(update={"parts": {k: v for k, v in point.parts.items() if k != "protection"}})
    assert parts_of(without).protection == parts_of(point).protection


def test_a_protection_of_ones_own_is_in_the_point(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(OWN)
    (point,) = api.plan(["fig14"], overrides=[f"protection={tmp_path / 'quiet.py'}"])
    assert point.names["protection"] == "quiet.py"
    assert type(parts_of(point).protection).__name__ == "Quiet"
