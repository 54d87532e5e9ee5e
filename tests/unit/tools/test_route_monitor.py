"""What `ip monitor route` says of a routing daemon's routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.base.errors import AnalysisError
from testbed.tools.route_monitor import Seen, read

# `ip -4 -N -o -tshort monitor route` (iproute2 6.1) on a router whose link fails and comes back.
SAID = """\
[2026-11-26T22:01:30.356877] 10.0.0.80 via 10.0.14.4 dev r1-eth2 proto 12 metric 32 
[2026-11-26T22:01:31.353092] Deleted 10.0.12.0/24 via 10.0.14.4 dev r1-eth2 proto 12 metric 32 
[2026-11-26T22:01:32.670665] 3 10.0.12.255 dev r1-eth1 table 255 proto 2 scope 253 src 10.0.12.1 linkdown 
[2026-11-26T22:01:32.670770] 10.0.12.0/24 dev r1-eth1 proto 2 scope 253 src 10.0.12.1 linkdown 
[2026-11-26T22:01:35.353512] 10.0.12.0/24 dev r1-eth1 proto 12 scope 253 metric 32 
[2026-11-26T22:01:36.353170] 10.0.34.0/24 proto 12 metric 32 \\\tnexthop via 10.0.12.2 dev r1-eth1 weight 1 \\\tnexthop via 10.0.14.4 dev r1-eth2 weight 1 
"""  # noqa: E501, W291


def test_only_the_daemons_routes_are_read(tmp_path: Path) -> None:
    (tmp_path / "said").write_text(SAID)
    assert read(tmp_path / "said") == [
        Seen(1795730490.356877, False, "10.0.0.80", ("10.0.14.4",)),
        Seen(1795730491.353092, True, "10.0.12.0/24", ("10.0.14.4",)),
        Seen(1795730495.353512, False, "10.0.12.0/24", ("r1-eth1",)),
        Seen(1795730496.35317, False, "10.0.34.0/24", ("10.0.12.2", "10.0.14.4")),
    ]


@pytest.mark.parametrize("line", ["10.0.0.80 via 10.0.14.4 dev r1-eth2 proto 12", "[yesterday] no route", "\x00"])
def test_what_is_no_route_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "said").write_text(SAID + line + "\n")
    with pytest.raises(AnalysisError, match=r"^said:7: no route: "):
        read(tmp_path / "said")
