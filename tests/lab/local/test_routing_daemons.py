"""Routers on this machine's own kernel: their BIRDs leave alone what the machine, or somebody on it, has of BIRD."""

from __future__ import annotations

from pathlib import Path

import pytest
from others import Others, Program, run_beside

from experiments import plan
from testbed.labs.local.lab import LocalLab
from testbed.record.point import read_point
from testbed.record.routes import read_routes
from testbed.tools import bird
from topologies import links

FIG03 = Path(plan.__file__).with_name("fig03.toml").read_text().partition("[[condition]]")[0]
RATE = 'rate = "10 Mbit/s"'
BIRD = Program(["/usr/sbin/bird", "-f"], ask=["/usr/sbin/birdc", "show", "status"])
FOREIGN = {"/etc/bird/bird.conf": "router id 192.0.2.1;\nprotocol device { }\n", "/run/bird/": ""}
TOPOLOGY = f"""\
[topology]
part = "routed-anycast"
client = {{ {RATE} }}
near = {{ {RATE}, cost = 10 }}
far = {{ {RATE}, cost = 20 }}
inner = {{ {RATE}, cost = 10 }}
server = {{ {RATE} }}
[director]
part = "ospf"
[workload]
part = "long-downloads"
concurrency = 2
size = "10 MB"
duration = "5 s"
[timetable]
part = "events"
events = [{{ at = "2 s", link_down = "r1-r2" }}]
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    head = FIG03.partition("[topology]")[0].replace('protocols = ["tcp", "mptcp"]', 'protocols = ["tcp"]')
    lines = [line for line in head.splitlines() if not line.startswith(("schemes", "clocks"))]
    path = tmp_path / "routed.toml"
    path.write_text("\n".join([*lines, 'clocks = ["real"]', TOPOLOGY]))
    return path


def test_another_bird_and_its_files_are_not_touched(experiment: Path, tmp_path: Path) -> None:
    needs = {links.VETH, links.TBF, *bird.NEEDS}
    if lacking := [each.name for each in LocalLab().probe(needs) if not each.ok]:
        pytest.skip(f"this machine lacks {', '.join(lacking)}")
    found = run_beside(Others(["/etc/bird", "/run"], FOREIGN, [BIRD]), experiment, tmp_path / "run")
    status, said = found["run"]
    assert status in (0, 6), said  # 6: others kept the machine busy
    assert "Router ID is 192.0.2.1" in found["answers"][0]
    assert {Path(name).name for name in found["before"][0]} == {"bird.conf", "bird", "bird.ctl"}
    assert found["after"] == found["before"]
    (point,) = (tmp_path / "run" / "points").iterdir()
    assert read_point(point).clock == "real"
    routes = [each for each in read_routes(point) if each.is_first and each.destination == "10.0.0.80"]
    assert [each.via for each in routes] == [("10.0.12.2",), ("10.0.14.4",)]
