"""In virtual time each direction of a link has its own delay and its own loss, and nothing of the other's."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from directions_probe import PACKETS

PROBE = str(Path(__file__).with_name("directions_probe.py"))
GRAIN_NS = 512  # see test_exact_links
FRAME_NS = 784  # 98 bytes at 1 Gbit/s, on each of the links between


def measured(guest, what: str) -> dict:
    ended = guest(sys.executable, PROBE, what)
    assert ended.result.status == 0, ended.stderr.decode()
    return json.loads(ended.stdout)


def test_a_packet_takes_the_delay_of_the_direction_in_which_it_goes(guest) -> None:
    found = measured(guest, "times")
    # Every link between a server and the client, of which there are two with the switch, is `direct`.
    wanted_ms = {"director to client": 70, "client to director": 10, "server to client": 0, "client to server": 6}
    for way, delay_ms in wanted_ms.items():
        late_ns = found["ways"][way] - delay_ms * 10**6
        assert 0 <= late_ns <= 2 * (FRAME_NS + GRAIN_NS), way
    set_up = {each["interface"]: each for each in found["links"]}
    # What has no delay keeps the bucket that a sender's own card is.
    assert (set_up["d-eth0"]["netem"]["delay_s"], set_up["c-eth0"]["netem"]["delay_s"]) == (0.07, 0.01)
    assert (set_up["c-eth1"]["netem"]["delay_s"], set_up["w-eth2"]["netem"]["delay_s"]) == (0.003, 0.003)
    assert ("tbf" in set_up["s1-eth1"], set_up["w-eth1"]["netem"]["delay_s"]) == (True, 0.0)


def test_a_direction_loses_its_own_share_and_no_packet_of_the_other_one(guest) -> None:
    found = measured(guest, "losses")["ways"]
    for way, counted in found.items():
        if way in ("director to client", "client to director"):
            assert counted["arrived"] + counted["dropped"] == PACKETS, way
    assert found["client to director"] == {"arrived": PACKETS, "dropped": 0}
    # A way past the director has two links, each with the loss; the sender's own queue has dropped the first's.
    shares = {"director to client": (0.1, 0.1), "server to client": (0.02, 0.0396), "client to server": (0.05, 0.0975)}
    for way, (at_once, lost) in shares.items():
        for count, share in ((found[way]["dropped"], at_once), (PACKETS - found[way]["arrived"], lost)):
            assert abs(count - PACKETS * share) <= 4 * math.sqrt(PACKETS * share * (1 - share)), way


def test_losses_of_one_direction_are_the_same_packets_each_time(guest) -> None:
    assert measured(guest, "losses") == measured(guest, "losses")
