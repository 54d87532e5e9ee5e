"""The wire limits that measured goodput is compared with."""

from __future__ import annotations

import pytest

from testbed import wire


def test_a_full_frame_takes_1538_byte_times() -> None:
    assert wire.WIRE_BYTES == 1538
    assert wire.ETHERNET_OVERHEAD_BYTES == 8 + 4 + 12


def test_tcp_gets_1448_of_1538_bytes() -> None:
    assert wire.tcp_wire_limit_bps(1e9) == pytest.approx(941_482_444.7, abs=0.1)


def test_mptcp_downloads_get_1420_of_1538_bytes() -> None:
    assert wire.mptcp_wire_limit_bps(1e9) == pytest.approx(923_276_983.1, abs=0.1)


def test_mptcp_uploads_get_1424_because_a_client_acknowledges_with_32_bits() -> None:
    assert wire.mptcp_wire_limit_bps(1e9, upload=True) == pytest.approx(925_877_763.3, abs=0.1)


def test_the_longer_header_of_ipv6_costs_20_bytes_a_frame() -> None:
    assert wire.tcp_wire_limit_bps(1e9, "ipv6") == pytest.approx(1e9 * 1428 / 1538)
    assert wire.mptcp_wire_limit_bps(1e9, "ipv6") == pytest.approx(1e9 * 1400 / 1538)
    assert wire.mptcp_wire_limit_bps(1e9, "ipv6", upload=True) == pytest.approx(1e9 * 1404 / 1538)


def test_headers_options_and_payload_fill_the_mtu() -> None:
    option_space = 40
    assert wire.mptcp_payload_bytes() + 20 + 20 + option_space == wire.MTU_BYTES
    assert wire.mptcp_payload_bytes("ipv6") + 40 + 20 + option_space == wire.MTU_BYTES


@pytest.mark.parametrize("rate_bps", [10**6, 10**8, 10**9, 10**10])
def test_a_compensated_rate_sends_a_frame_in_the_time_it_takes_on_the_wire(rate_bps: int) -> None:
    seconds_on_wire = 1538 * 8 / rate_bps
    assert 1514 * 8 / wire.compensated_rate_bps(rate_bps) == pytest.approx(seconds_on_wire, rel=2e-6)
    assert 1514 * 8 / wire.compensated_rate_bps(rate_bps) >= seconds_on_wire
