"""The decoder against tshark: every field of every packet of real captures (see data/captures/README.md)."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import capture_variants as variants
import numpy as np
import pytest
from capture_variants import NAMES
from tshark import HEADER_FIELDS, OPTION_FIELDS, Fields, dss_checksums, expected_fields, read_fields

from analysis.pcap import COLUMNS, OPTION_TABLES, Packets, Tunnel, read_pcap
from analysis.pcap.tables import DSS_ACK_8, DSS_DSN_8, Dss

_UNPACKED = tempfile.TemporaryDirectory()


@cache
def read(name: str) -> tuple[Path, Packets, list[Fields]]:
    """A capture of the repository, unpacked: its path, what the decoder says of it, and what tshark says."""
    path = Path(_UNPACKED.name) / f"{name}.pcap"
    path.write_bytes(variants.raw(name))
    return path, read_pcap(path), read_fields(path)


def compare(packets: Packets, path: Path, said: list[Fields]) -> list[tuple[int, str, list[str], list[str]]]:
    """Where decoder and tshark differ: number of the frame, field, our values, tshark's."""
    differences = []
    for number, ours in expected_fields(packets, path.read_bytes(), said):
        theirs = said[number - 1]
        pairs = {name: (ours.get(name, []), theirs.get(name, [])) for name in (*HEADER_FIELDS, *OPTION_FIELDS)}
        del pairs["frame.protocols"]
        tags = [*pairs.pop("ieee8021ad.id")[1], *pairs.pop("vlan.id")[1], "0"]
        pairs["outermost VLAN"] = ours["outermost VLAN"], tags[:1]
        for name in ("sll.ifindex", "sll.pkttype"):  # other link layers have none: 0 here
            pairs[name] = pairs[name][0], theirs.get(name, ["0"])
        pairs["tunnel"] = ours["tunnel"], [str(tunnel_of(theirs))]
        if "frame.interface_id" not in theirs:
            pairs["frame.interface_id"] = pairs["frame.interface_id"][0], ["0"]
        mine, lengths = pairs["tcp.option_len"]
        if len(mine) == len(lengths):
            pairs["tcp.option_len"] = [b if a == "any" else a for a, b in zip(mine, lengths, strict=True)], lengths
        differences += [(number, name, one, other) for name, (one, other) in pairs.items() if one != other]
    said_of_dss = [dss_checksums(said[number - 1].get("tcp.options", [""])[0]) for number in packets.frame.tolist()]
    has_checksum = packets.dss.has_checksum
    checksums = [[] for _ in said_of_dss]
    for row, checksum in zip(
        packets.dss.packet[has_checksum].tolist(), packets.dss.checksum[has_checksum].tolist(), strict=True
    ):
        checksums[row].append(checksum)
    if checksums != said_of_dss:
        differences.append((0, "checksum of DSS", [str(checksums)], [str(said_of_dss)]))
    return differences


def tunnel_of(said: Fields) -> int:
    """The bits of `Tunnel` that tshark's list of a frame's protocols stands for."""
    layers = [layer.replace("ipv6", "ip") for layer in said["frame.protocols"][0].split(":")]
    names = {"gre": Tunnel.GRE, "vxlan": Tunnel.VXLAN, "geneve": Tunnel.GENEVE, "mpls": Tunnel.MPLS,
             "pppoes": Tunnel.PPPOE}  # fmt: skip
    bits = [names.get(layer, 0) for layer in layers]
    bits += [Tunnel.IP for pair in itertools.pairwise(layers) if pair == ("ip", "ip")]
    return sum(set(bits))


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_every_packet_is_what_tshark_says(name: str) -> None:
    check(*read(name))


@pytest.mark.parametrize("name", ["announced", "announced6-checksum", "plain"])
def test_every_field_of_a_pcapng_is_what_tshark_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    variants.converted(read(name)[0], "pcapng", path)
    check(path, read_pcap(path), read_fields(path))


@pytest.mark.parametrize(
    ("link_type", "rewrite"),
    [(1, variants.as_ipv6), (113, variants.as_sll), (276, variants.as_sll2), (101, variants.as_raw_ip)],
)
def test_every_field_of_another_link_layer_is_what_tshark_says(link_type: int, rewrite, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(variants.rewritten(variants.raw("plain"), link_type, rewrite))
    check(path, read_pcap(path), read_fields(path))


def check(capture: Path, packets: Packets, said: list[Fields]) -> None:
    assert packets.warnings == ()
    assert packets.records == len(said)
    assert packets.frame.tolist() == [int(one["frame.number"][0]) for one in said if "tcp.srcport" in one]
    assert packets.skipped.not_tcp == packets.records - len(packets)
    assert compare(packets, capture, said) == []
    bits = [int(ours["options"][0], 16) for _, ours in expected_fields(packets, capture.read_bytes(), said)]
    assert packets.options.tolist() == bits


def test_every_field_of_mptcp_options_that_tshark_knows_is_compared() -> None:
    text = subprocess.run(["tshark", "-G", "fields"], capture_output=True, text=True, check=True, timeout=120).stdout
    lines = [line.split("\t") for line in text.splitlines()]
    known = {line[2] for line in lines if line[0] == "F" and line[2].startswith("tcp.options.mptcp.")}
    said = {field for name in NAMES for frame in read(name)[2] for field in frame}
    assert known - said == {
        "tcp.options.mptcp.ipver",  # of version 0: half a byte of ADD_ADDR that version 1 has the echo flag in
        "tcp.options.mptcp.sha1.flag",  # of version 0: the name of flag H of MP_CAPABLE
    }


# Bytes of acknowledgement and of DSN (0: none), and whether there is a checksum, which is part of a mapping.
EVERY_DSS = {(ack, dsn, checksum) for ack in (0, 4, 8) for dsn in (4, 8) for checksum in (False, True)} | {
    (4, 0, False), (8, 0, False),
}  # fmt: skip


def test_the_captures_have_every_option_in_every_form() -> None:
    captures = [read(name)[1] for name in NAMES]

    def values(table: str, column: str) -> set[Any]:
        return {value for packets in captures for value in getattr(packets.tables[table], column).tolist()}

    options = np.bitwise_or.reduce(np.concatenate([packets.options for packets in captures]))
    assert options == 0x1FF3F  # every bit of `Option` but OTHER_MPTCP, CUT and MALFORMED
    assert {name: values(name, "length") for name in OPTION_TABLES if name not in ("handshake", "sack", "dss")} == {
        "mp_capable": {4, 12, 20, 22, 24},
        "mp_join": {12, 16, 24},
        "add_addr": {8, 10, 16, 18, 20, 22, 28, 30},
        "remove_addr": {4, 5},
        "mp_prio": {3},
        "mp_fail": {12},
        "mp_fastclose": {12},
        "mp_tcprst": {4},
        "other_mptcp": set(),
    }
    assert values("mp_capable", "flags") == {0x01, 0x21, 0x81}  # H; with C; with A
    assert values("add_addr", "echo") == values("mp_prio", "backup") == {False, True}
    joins = {pair for packets in captures for pair in pairs(packets.mp_join.length, packets.mp_join.backup)}
    assert joins == {(12, False), (12, True), (16, False), (16, True), (24, False)}
    dss = [packets.dss for packets in captures]
    assert {form for table in dss for form in forms(table)} == EVERY_DSS
    assert {bool(mapped) for table in dss for mapped in table.data_length[table.is_fin] > 1} == {False, True}
    blocks = [np.unique(packets.sack.packet, return_counts=True)[1] for packets in captures]
    assert set(np.concatenate(blocks).tolist()) == {1, 2, 3, 4}


def pairs(one: Any, other: Any) -> list[tuple[Any, Any]]:
    return list(zip(one.tolist(), other.tolist(), strict=True))


def forms(dss: Dss) -> list[tuple[int, int, bool]]:
    ack = np.where(dss.has_ack, np.where(dss.flags & DSS_ACK_8, 8, 4), 0)
    dsn = np.where(dss.has_mapping, np.where(dss.flags & DSS_DSN_8, 8, 4), 0)
    return list(zip(ack.tolist(), dsn.tolist(), dss.has_checksum.tolist(), strict=True))


COMPARED = [
    *(name for name in COLUMNS if name != "options"),
    *(
        f"{table}.{column}"
        for table, kind in OPTION_TABLES.items()
        for column in kind.types()
        if table != "other_mptcp"
    ),
]


@pytest.mark.parametrize("name", [name for name in COMPARED if name != "mp_prio.address_id"])  # version 0 has that one
def test_a_wrong_value_in_any_column_shows(name: str) -> None:
    table, _, column = name.rpartition(".")
    for each in NAMES:
        path, packets, said = read(each)
        holder = getattr(packets, table) if table else packets
        values = getattr(holder, column)
        wrong = replace(holder, **{column: ~values if values.dtype != "V20" else np.roll(values, 1)})
        try:
            noticed = bool(compare(replace(packets, **{table: wrong}) if table else wrong, path, said))
        except (AssertionError, IndexError, ValueError):
            noticed = True
        if noticed:
            return
    pytest.fail(f"nothing compares {name}")
