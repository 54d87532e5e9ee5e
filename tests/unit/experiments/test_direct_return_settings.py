"""Directors whose servers answer past them: what a point says of its paths, and which tables cannot be."""

from __future__ import annotations

import pytest
from experiment_texts import PAGE_LOADS, refusal

from experiments import needs, plan
from experiments.composition import parts_of
from experiments.plan import Point
from testbed.base.errors import UsageError


def point(director: str, *overrides: str, protocol: str = "tcp", figure: str = "fig07") -> Point:
    wanted = [f"director.part={director}", f'protocols=["{protocol}"]', *overrides]
    return plan.plan(plan.load(plan.find(figure)), overrides=wanted)[0]


def answers(found: Point) -> tuple[tuple[str, ...], bool, float]:
    """The client's interfaces at which answers from the service address come, and the limit there in Mbit/s."""
    (path,) = (each for each in found.traits.paths if (each.direction, each.address) == ("to-client", "service"))
    assert path.wire_limit_bps is not None
    return path.interfaces, path.past_director, round(path.wire_limit_bps / 1e6, 1)


@pytest.mark.parametrize("director", ["ecmp", "resilient", "nft"])
def test_a_director_of_two_forms_has_answers_go_past_it_with_dsr(director: str) -> None:
    found = point(director, "director.form=dsr")
    assert answers(found) == (("-eth1",), True, 941.5)
    assert answers(point(director)) == (("-eth0",), False, 94.1)
    lost = ["topology.directors=2", "topology.servers=2", 'timetable.part="events"']
    assert point(director, "director.form=dsr", *lost, 'timetable.events=[{at="1 s", lose_director=1}]').id


@pytest.mark.parametrize("director", ["ipvs-dr", "ipvs-tun"])
def test_answers_go_by_the_direct_path_and_that_is_the_limit_of_a_download(director: str) -> None:
    found = point(director)
    assert answers(found) == (("-eth1",), True, 941.5)
    assert found.wire_limit_bps == 941_482_444.7
    assert found.traits.limit_note == ""
    assert found.traits.picture.endswith("service address: by the direct path, past the director\n")
    assert answers(point(director, protocol="mptcp")) == (("-eth1",), True, 923.3)
    assert "past the director" not in point("ipvs-nat").traits.picture
    assert answers(point("ipvs-nat")) == (("-eth0",), False, 94.1)


def test_answers_that_are_to_come_back_do_and_the_directors_link_is_their_limit() -> None:
    found = point("ipvs-dr", 'topology.answers="director"')
    assert answers(found) == (("-eth0",), False, 94.1)
    assert found.wire_limit_bps == 94_148_244.5
    assert "past the director" not in found.traits.picture


@pytest.mark.parametrize("director", ["ipvs-nat", "ecmp", "nft", "signalled-port"])
def test_answers_do_not_go_past_a_director_that_they_come_back_through(director: str) -> None:
    with pytest.raises(UsageError, match=f"answers: what servers answer comes back through the director '{director}'"):
        point(director, 'topology.answers="direct"')
    assert answers(point(director, 'topology.answers="director"')) == (("-eth0",), False, 94.1)


def test_an_upload_by_tcp_goes_through_the_director_whoever_answers_it() -> None:
    found = point("ipvs-dr", figure="upload")
    assert found.wire_limit_bps == 94_148_244.5
    assert [each.past_director for each in found.traits.paths if each.direction == "to-server"] == [False, True]


def test_a_server_on_a_router_answers_through_it() -> None:
    """The topology has no other way."""
    found = point("ipvs-dr", figure="fig13")
    assert not any(each.past_director for each in found.traits.paths if each.address == "service")


def test_a_tunnel_needs_its_own_kind_and_no_other() -> None:
    def tunnels(kind: str) -> set[str]:
        found = {need.name for need in needs.of_point(point("ipvs-tun", f"director.tunnel={kind}"))}
        return found & {"IPIP", "GRE", "GUE"}

    assert [tunnels(kind) for kind in ("ipip", "gre", "gue")] == [{"IPIP"}, {"GRE"}, {"GUE"}]


@pytest.mark.parametrize(
    ("answers", "interfaces"), [("direct", ("s1-tun0", "s1-eth1")), ("director", ("s1-tun0", "s1-eth0"))]
)
def test_a_servers_rst_is_seen_by_whichever_link_it_leaves(answers: str, interfaces: tuple[str, ...]) -> None:
    parts = parts_of(point("ipvs-tun", f'topology.answers="{answers}"'))
    (server,) = parts.topology.layout().servers
    assert parts.director.server_interfaces(server) == interfaces


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("director", "message"),
    [
        (
            'clamp_mss = false, tunnel = "gue"',
            "director.clamp_mss: a full packet has 1532 bytes in the tunnel, and the link to the servers takes 1500 "
            '(clamp_mss = true, or mtu = "1532 B" for that link)',
        ),
        ("tunnel_port = 7000", "director.tunnel_port: 'ipip' has no port (it is for 'gue')"),
        ('tunnel = "vxlan"', "director.tunnel: 'vxlan' is not one of ipip, gre, gue"),
    ],
)
def test_a_tunnel_that_cannot_be_is_refused_in_one_line(director: str, message: str) -> None:
    text = PAGE_LOADS.replace('director = "ipvs-nat"', f'director = {{ part = "ipvs-tun", {director} }}')
    assert refusal(text) == f"x.toml:4: {message}"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("mtu", "message"),
    [
        ("1400 B", "1400 bytes: an MTU is 1500 B at least, as the client's is, 9000 B at most"),
        ("10 KB", "10000 bytes: an MTU is 1500 B at least, as the client's is, 9000 B at most"),
    ],
)
def test_an_mtu_that_cannot_be_is_refused(mtu: str, message: str) -> None:
    link = 'director_server = { rate = "1 Gbit/s"'
    text = PAGE_LOADS.replace(link, f'{link}, mtu = "{mtu}"')
    assert refusal(text) == f"x.toml:11: topology.director_server.mtu: {message}"
