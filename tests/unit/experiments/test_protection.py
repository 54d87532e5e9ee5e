"""Who may reach a server's unique address: nobody is kept away if the file says nothing, and a user's own is a part."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import PAGE_LOADS

from experiments import api
from experiments.composition import parts_of
from testbed.base.errors import TestbedError
from testbed.tools import tcpdump

OWN = """\
from testbed.net import sysctl
from testbed.protection.base import Protection


class Quiet(Protection):
    def protect(self, network, layout, server):
        return sysctl.put(network[server.name], {"net.ipv4.tcp_syncookies": 0})
"""

STRAIGHT = """\
from testbed.directors.base import Director


class Straight(Director):
    def socket_address(self, layout, server):
        return server.unique

    def serve(self, network, layout, seed):
        return {}

    def set_pool(self, network, layout, servers):
        pass
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


def test_the_filter_is_a_part_with_a_setting() -> None:
    (point,) = api.plan(["fig14"], overrides=["protection=joins-only"])
    assert (point.names["protection"], point.parameters["refusal"]) == ("joins-only", "drop")
    assert not parts_of(point).protection.admits_everyone
    with pytest.raises(TestbedError, match="'reject' is not one of drop, reset"):
        api.plan(["fig14"], overrides=["protection=joins-only", "protection.refusal=reject"])


def test_the_filter_is_refused_where_the_director_itself_needs_the_unique_address(tmp_path: Path) -> None:
    (tmp_path / "straight.py").write_text(STRAIGHT)
    straight = f"director={tmp_path / 'straight.py'}"
    assert api.plan(["fig14"], overrides=[straight])
    with pytest.raises(TestbedError, match=r"sends clients to 10\.0\.11\.2, s1's unique address"):
        api.plan(["fig14"], overrides=[straight, "protection=joins-only"])


SYNS = 'workload={part="page-loads-and-syns", sizes=["100 KB"], concurrency=2, requests=4, syns=[%s]}'


def syns(*each: str) -> str:
    return SYNS % ", ".join(f"{{{one}}}" for one in each)


def test_made_up_syns_are_told_of_in_the_point_and_left_out_of_its_captures() -> None:
    overrides = [syns('kind="plain", count=7', 'kind="replay", count=2'), "topology.family=ipv6"]
    point = next(each for each in api.plan(["fig07"], overrides=overrides) if each.protocol == "mptcp")
    assert point.parameters["syns"] == "7 plain, 2 replay"
    parts = parts_of(point)
    layout = parts.topology.layout()
    assert parts.workload.left_out(layout) == ("fd00:3::c8",)
    assert tcpdump.without("tcp", parts.workload.left_out(layout)) == "(tcp) and not (host fd00:3::c8)"
    assert tcpdump.without("tcp", ()) == "tcp"


@pytest.mark.parametrize(
    ("syn", "why"),
    [
        ('kind="plain", count=1, server=2', "server 2 is sent SYNs, of 1"),
        ('kind="plain", count=1, anywhere=true', "are of IPv6, and its unique address is of IPv4"),
        ('kind="ack", count=1', "'ack' is not one of"),
        ('kind="plain", count=0', "must be at least 1"),
    ],
)
def test_syns_that_cannot_be_sent_are_refused(syn: str, why: str) -> None:
    with pytest.raises(TestbedError, match=why):
        api.plan(["fig07"], overrides=[syns(syn)])


OWN_ADDRESSES = ("topology.family=ipv6", "protection=address-per-connection", "mptcp.path_manager=userspace")


def test_each_server_has_a_network_and_each_connection_an_address_in_it() -> None:
    (point,) = api.plan(["fig14"], overrides=[*OWN_ADDRESSES, "protection.rotate=2 s"])
    parts = parts_of(point)
    layout = parts.topology.layout()
    own = [parts.protection.own_addresses(layout, place) for place in layout.servers]
    assert [each.prefix for each in own if each] == ["fd00:201::/64", "fd00:202::/64", "fd00:203::/64"]
    assert next((each.interface, each.rotate_s, each.checked) for each in own if each) == ("s1-eth0", 2.0, True)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (OWN_ADDRESSES[1:], "unique addresses here are of IPv4"),
        (OWN_ADDRESSES[:2], 'is the path manager in user space.*path_manager = "userspace"'),
    ],
)
def test_an_address_for_each_connection_needs_ipv6_and_the_path_manager(overrides: tuple[str, ...], why: str) -> None:
    with pytest.raises(TestbedError, match=why):
        api.plan(["fig14"], overrides=overrides)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ('protection = "joins-only"\n', "drop"),
        ('[protection]\nunique_address = "joins-only"\n', "drop"),
        ('[protection]\nrefusal = "reset"\nunique_address = "joins-only"\n', "reset"),
        ('[[condition]]\nname = "kept"\nprotection.unique_address = "joins-only"\n', "drop"),
        ('protection.unique_address = "joins-only"\n', "drop"),  # of the profile `quick`
        ('[sweep.axes]\nprotection.unique_address = ["joins-only"]\n', "drop"),
    ],
)
def test_a_table_can_say_what_protects_the_unique_address(tmp_path: Path, text: str, refusal: str) -> None:
    top, tables = (text, "") if text.startswith("protection =") else ("", text)
    (tmp_path / "mine.toml").write_text(f"{top}{PAGE_LOADS}{tables}")
    for point in api.plan([str(tmp_path / "mine.toml")]):
        protection = parts_of(point).protection
        assert (protection.part, protection.plain()["refusal"]) == ("joins-only", refusal)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('unique_address = "joins"', "{line}: protection.part: 'joins' is not one of address-per-connection, joins-"),
        ("unique_address = 5", "{line}: protection.part must be a text in quotes, not 5"),
        ('unique_adress = "joins-only"', "missing key 'part' in [protection]"),
        ('part = "joins-only"\nunique_address = "none"', "unknown key 'unique_address' in [protection]"),
    ],
)
def test_what_protects_the_unique_address_is_said_once_and_rightly(tmp_path: Path, text: str, message: str) -> None:
    file = f"{PAGE_LOADS}[protection]\n{text}\n"
    (tmp_path / "mine.toml").write_text(file)
    with pytest.raises(TestbedError) as caught:
        api.plan([str(tmp_path / "mine.toml")])
    assert message.format(line=file.count("\n")) in str(caught.value)


def test_an_option_can_say_what_protects_the_unique_address() -> None:
    (one, *_) = api.plan(["fig07"], overrides=["protection.unique_address=joins-only"])
    assert parts_of(one).protection.part == "joins-only"
    with pytest.raises(TestbedError, match=r"--set protection.unique_address=joins: protection.part: 'joins' is not"):
        api.plan(["fig07"], overrides=["protection.unique_address=joins"])
