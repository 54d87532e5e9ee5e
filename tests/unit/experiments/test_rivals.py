"""The rivals of the paper's section II as parts: what they refuse, and what they say of themselves."""

from __future__ import annotations

import pytest

from experiments import needs, plan
from testbed.base.errors import TestbedError
from testbed.record.point import Point


def points(*overrides: str, figure: str = "fig07", protocol: str = "tcp") -> list[Point]:
    found = plan.plan(plan.load(plan.find(figure)), overrides=overrides, schemes=[])
    return [point for point in found if point.protocol == protocol]


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (['director={part="server-id", bits=2}', "topology.servers=4"], "2 bits have numbers for 3 servers, not for 4"),
        (['director="mptcp-aware"', "topology.family=ipv6"], "ipv4"),
        (['topology.middlebox="offsets"'], "middlebox"),
        (
            ['timetable={part="events", events=[{at="1 s", restart_director=2}]}'],
            "there is 1 director, numbered from 1",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(overrides: list[str], complaint: str) -> None:
    with pytest.raises(TestbedError) as caught:
        points(*overrides)
    assert complaint in str(caught.value).lower().replace("'", "")


def test_a_middlebox_sits_in_the_middle_and_is_in_the_picture() -> None:
    plain, altered = points(), points('topology.middlebox="offset"')
    assert "middlebox" not in plain[0].traits.picture and "adds an offset" in altered[0].traits.picture
    assert "BPF at tcx" in {need.name for need in needs.of_point(altered[0])}
    assert "middlebox" not in plain[0].parts["topology"].settings


def test_proxies_need_their_programs_and_nginx_a_module_for_bytes_only() -> None:
    def names(*overrides: str) -> set[str]:
        return {need.name for need in needs.of_point(points(*overrides)[0])}

    assert {"program haproxy", "MPTCP"} <= names('director="haproxy"')
    assert "MPTCP" not in names('director={part="haproxy", mptcp=false}')
    assert "nginx's stream module" not in names('director="nginx"')
    assert {"program nginx", "nginx's stream module"} <= names('director={part="nginx", mode="tcp"}')
