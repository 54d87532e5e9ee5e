"""Which families of addresses a point can have, and what it says of itself then."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import needs, plan
from experiments.composition import parts_of
from testbed.base.errors import UsageError
from testbed.base.families import in_url
from testbed.directors.ipvs_tun import IpvsTun
from testbed.record.point import Point

IPV6, DUAL = "topology.family=ipv6", "topology.family=dual"


def point_of(*overrides: str, name: str = "fig07", protocol: str = "mptcp") -> Point:
    return next(p for p in plan.plan(plan.load(plan.find(name)), overrides=overrides) if p.protocol == protocol)


def limits_mbps(point: Point) -> dict[tuple[str, bool], float]:
    return {
        (path.address, path.past_director): round((path.wire_limit_bps or 0) / 1e6, 2)
        for path in point.traits.paths
        if path.direction == "to-client"
    }


@pytest.mark.parametrize(
    ("overrides", "by_director", "past"),
    [
        ((), 92.33, 923.28),
        ((IPV6,), 91.03, 910.27),
        ((DUAL,), 92.33, 910.27),
        ((DUAL, "topology.service_family=ipv6"), 91.03, 923.28),
    ],
)
def test_a_path_has_the_wire_limit_of_its_own_family(
    overrides: tuple[str, ...], by_director: float, past: float
) -> None:
    point = point_of(*overrides)
    assert limits_mbps(point) == {("service", False): by_director, ("unique", True): past}
    assert round((point.wire_limit_bps or 0) / 1e6, 2) == past
    assert point.traits.must_join


def test_plain_sockets_have_the_path_through_the_director_and_need_not_join() -> None:
    point = point_of(DUAL, "topology.client_sockets=ipv4")
    assert round((point.wire_limit_bps or 0) / 1e6, 2) == 92.33
    assert not point.traits.must_join


@pytest.mark.parametrize("name", ["fig07", "fig14"])
def test_the_picture_has_the_addresses_of_the_families(name: str) -> None:
    service, unique = ("10.0.1.80", "fd00:3::101") if name == "fig07" else ("10.0.0.80", "fd00:11::2")
    picture = point_of(DUAL, name=name).traits.picture
    assert service in picture and unique in picture


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("topology.service_family=ipv6",), r"topology\.service_family: .* only"),
        ((DUAL, "topology.service_family=ipv6", "topology.client_sockets=ipv4"), r"topology\.client_sockets: .* only"),
        ((DUAL, "mptcp.client_endpoint=fullmesh"), r"topology\.family: client_endpoint 'fullmesh' .* they are IPv6"),
    ],
)
def test_what_a_family_cannot_have_is_refused_in_one_line(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        point_of(*overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("folder")
def test_a_director_of_ones_own_that_has_ipv4_only_is_refused_another_service() -> None:
    mine = "from testbed.directors.ecmp import Ecmp\n\n\nclass Mine(Ecmp):\n    families = frozenset({'ipv4'})\n"
    Path("mine.py").write_text(mine)
    with pytest.raises(UsageError, match=r"the director '.*mine.*' spreads IPv4 addresses only, and .* IPv6"):
        point_of(IPV6, "director=mine.py")


@pytest.mark.parametrize(("tunnel", "segment"), [("ipip", 1400), ("gre", 1396), ("gue", 1388)])
def test_a_tunnel_over_ipv6_leaves_that_much_for_a_segment(tunnel: str, segment: int) -> None:
    parts = parts_of(point_of(IPV6, f'director={{part="ipvs-tun", tunnel="{tunnel}"}}'))
    assert isinstance(parts.director, IpvsTun)
    (server,) = parts.topology.layout().servers
    assert parts.director.largest_segment(server) == segment


def test_a_point_needs_what_its_families_need() -> None:
    of_ipv6 = {"IPv6", "IPVS over IPv6", "MPTCP over IPv6"}

    def found(*overrides: str, protocol: str = "mptcp") -> set[str]:
        return of_ipv6 & {need.name for need in needs.of_point(point_of(*overrides, protocol=protocol))}

    assert (found(), found(IPV6), found(DUAL)) == (set(), of_ipv6, of_ipv6 - {"IPVS over IPv6"})
    assert found(IPV6, protocol="tcp") == of_ipv6 - {"MPTCP over IPv6"}


@pytest.mark.parametrize(
    ("director", "needs_besides"),
    [
        ("nft", set()),
        ("second-chance", {"nftables that passes IPv6 packets on"}),
        ("signalled-port", {"MPTCP that announces a port over IPv6"}),
    ],
)
def test_a_director_by_nftables_needs_what_its_own_rules_need(director: str, needs_besides: set[str]) -> None:
    mine = {"nftables over IPv6", "nftables that passes IPv6 packets on", "MPTCP that announces a port over IPv6"}

    def found(*overrides: str) -> set[str]:
        return mine & {need.name for need in needs.of_point(point_of(f"director={director}", *overrides))}

    assert (found(), found(DUAL)) == (set(), set())
    service_ipv6 = (DUAL, "topology.service_family=ipv6")
    assert found(IPV6) == found(*service_ipv6) == {"nftables over IPv6"} | needs_besides


def test_an_address_in_a_url_is_written_for_the_clients_socket() -> None:
    assert in_url("10.0.1.80") == "10.0.1.80"
    assert in_url("10.0.1.80", mapped=True) == "[::ffff:10.0.1.80]"
    assert in_url("fd00:1::80") == in_url("fd00:1::80", mapped=True) == "[fd00:1::80]"
