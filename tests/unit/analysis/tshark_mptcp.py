"""MPTCP options as tshark displays them: fields, in its order, with its texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from analysis.pcap import Packets

Displayed = Iterator[tuple[str, object]]


def _bits(flags: int, names: str, first: int) -> Displayed:
    """Flags by name, from the bit `first` downwards; '-' is a bit without a field."""
    for number, name in enumerate(names.split()):
        if name != "-":
            yield name, int(bool(flags & first >> number))


def _mp_capable(option: dict[str, Any], _: Packets) -> Displayed:
    yield "version", option["version"]
    yield "flags", f"0x{option['flags']:02x}"
    yield from _bits(option["flags"], "checksumreq.flags extensibility.flag nomoresubflows.flag", 0x80)
    yield "sha256.flag", option["flags"] & 1
    yield "reserved.flag", f"0x{option['flags'] >> 1 & 0x0F:02x}"
    if option["length"] >= 12:
        yield "sendkey", option["sender_key"]
    if option["length"] >= 20:
        yield "recvkey", option["receiver_key"]
    if option["length"] >= 22:
        yield "datalvllen", option["data_length"]
    if option["length"] >= 24:
        yield "checksum", f"0x{option['checksum']:04x}"


def _mp_join(option: dict[str, Any], _: Packets) -> Displayed:
    if option["length"] == 24:
        yield "reserved", "0x0000"
        yield "sendhmac", option["hmac"].hex()
        return
    yield "flags", f"0x{0x10 | option['backup']:02x}"
    yield "backup.flag", option["backup"]
    yield "addrid", option["address_id"]
    if option["length"] == 12:
        yield "recvtok", option["token"]
    else:
        yield "sendtrunchmac", option["truncated_hmac"]
    yield "sendrand", option["nonce"]


def _dss(option: dict[str, Any], _: Packets) -> Displayed:
    flags = option["flags"]
    yield "flags", f"0x{flags:02x}"
    names = "datafin.flag dseqn8.flag dseqnpresent.flag dataack8.flag dataackpresent.flag"
    yield from _bits(flags, names, 0x10)
    if flags & 0x01:
        yield "rawdataack", option["data_ack"]
    if flags & 0x04:
        yield "rawdataseqno", option["dsn"]
        yield "subflowseqno", option["subflow_seq"]
        yield "datalvllen", option["data_length"]


def _add_addr(option: dict[str, Any], packets: Packets) -> Displayed:
    yield "echo", option["echo"]
    yield "addrid", option["address_id"]
    version = option["ip_version"]
    yield f"ipv{version}", packets.address(option["address"], version)
    assert option["signed_address"] == option["address"]
    if option["length"] in (10, 18, 22, 30):
        yield "port", option["port"]
    if option["length"] in (16, 18, 28, 30):
        yield "addaddrtrunchmac", option["hmac"]


def _mp_prio(option: dict[str, Any], _: Packets) -> Displayed:
    yield "flags", f"0x{0x50 | option['backup']:02x}"
    yield "backup.flag", option["backup"]
    if option["length"] == 4:
        yield "addrid", option["address_id"]


def _mp_fail(option: dict[str, Any], _: Packets) -> Displayed:
    yield "reserved", "0x0000"
    yield "rawdataseqno", option["dsn"]


def _mp_fastclose(option: dict[str, Any], _: Packets) -> Displayed:
    yield "reserved", "0x0000"
    yield "recvkey", option["receiver_key"]


def _mp_tcprst(option: dict[str, Any], _: Packets) -> Displayed:
    yield "flags", f"0x{0x80 | option['flags']:02x}"
    yield from _bits(option["flags"], "flag_U.flag flag_V.flag flag_W.flag flag_T.flag", 0x08)
    yield "rst_reason", f"0x{option['reason']:02x}"


DISPLAYED: dict[str, Callable[[dict[str, Any], Packets], Displayed]] = {
    "mp_capable": _mp_capable, "mp_join": _mp_join, "dss": _dss, "add_addr": _add_addr, "mp_prio": _mp_prio,
    "mp_fail": _mp_fail, "mp_fastclose": _mp_fastclose, "mp_tcprst": _mp_tcprst,
}  # fmt: skip
