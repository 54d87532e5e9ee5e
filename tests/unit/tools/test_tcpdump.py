"""tcpdump's buffer: the small one only where it holds every packet that there can be."""

from __future__ import annotations

import pytest

from experiments import plan
from experiments.composition import parts_of
from testbed.tools import tcpdump


@pytest.mark.parametrize(
    ("figure", "overrides", "small"),
    [
        ("07", ("workload.sizes=10 KB", "workload.total=100 KB", "workload.min_requests=10"), True),
        ("07", ("workload.sizes=1000 KB", "workload.total=2 MB", "workload.min_requests=10"), False),
        ("07", ("workload.sizes=10 KB",), False),
        ("13", (), False),
    ],
)
def test_only_what_fits_has_the_small_buffer(figure: str, overrides: tuple[str, ...], small: bool) -> None:
    point = plan.plan(plan.load(plan.find(f"fig{figure}")), overrides=overrides)[0]
    packets = parts_of(point).workload.most_packets(point.object_bytes)
    assert (tcpdump.buffer_kib(packets) == tcpdump.SMALL_BUFFER_KIB) == small


def test_a_buffer_holds_what_it_is_said_to_hold() -> None:
    for packets in (0, 1000, 8192):
        assert tcpdump.buffer_kib(packets) == tcpdump.SMALL_BUFFER_KIB
        # 128 bytes of a packet, a head of 80 and an address of 20 (include/uapi/linux/if_packet.h), aligned to 16
        assert packets * (128 + 80 + 32) < tcpdump.SMALL_BUFFER_KIB * 1024
    assert tcpdump.buffer_kib(8193) == tcpdump.buffer_kib(None) == tcpdump.BUFFER_KIB
