"""What TCP options say, as tables: one row per option, tied to its packet by the row number in `Packets`.

A packet may have several rows, in one table or in several. A field that an option of that length does not carry is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from analysis.pcap.columns import U8, U16, U32, U64, Bools, Column, Columns, Rows


class Option:
    """Bits of the column `options` of `Packets`: which options a packet carries, and what is wrong with them.

    `OTHER` is any kind without a table here; `OTHER_MPTCP` an MPTCP option of a subtype or length that RFC 8684
    does not have. After `MALFORMED` (a length that does not fit) or `CUT` (not captured) the options that follow
    are unknown. `FRAGMENTED` says that later IP fragments have a part of the payload. Plain integers, because NumPy
    would widen the column to 64 bits for an enum's.
    """

    MSS = 1 << 0
    WINDOW_SCALE = 1 << 1
    SACK_PERMITTED = 1 << 2
    SACK = 1 << 3
    TIMESTAMPS = 1 << 4
    OTHER = 1 << 5
    MP_CAPABLE = 1 << 8
    MP_JOIN = 1 << 9
    DSS = 1 << 10
    ADD_ADDR = 1 << 11
    REMOVE_ADDR = 1 << 12
    MP_PRIO = 1 << 13
    MP_FAIL = 1 << 14
    MP_FASTCLOSE = 1 << 15
    MP_TCPRST = 1 << 16
    OTHER_MPTCP = 1 << 17
    ANY_MPTCP = (1 << 18) - (1 << 8)
    FRAGMENTED = 1 << 29
    CUT = 1 << 30
    MALFORMED = 1 << 31


MP_CAPABLE_CHECKSUM, MP_CAPABLE_DENY_JOIN, MP_CAPABLE_SHA256 = 0x80, 0x20, 0x01
"""Flags A, C and H of MP_CAPABLE (RFC 8684 section 3.1)."""

DSS_DATA_FIN, DSS_DSN_8, DSS_MAPPING, DSS_ACK_8, DSS_ACK = 0x10, 0x08, 0x04, 0x02, 0x01
"""Flags F, m, M, a and A of DSS (RFC 8684 section 3.3)."""

MP_TCPRST_TRANSIENT = 0x01
"""Flag T of MP_TCPRST (RFC 8684 section 3.6)."""


@dataclass(frozen=True, eq=False)
class OptionTable(Columns):
    """Base of the tables; rows are in the order of their packets, and of the options within a packet."""

    packet: Annotated[Rows, Column("row of the packet in `Packets`")]

    def first(self, name: str, packets: Rows) -> NDArray[Any]:
        """For each packet that column of its first row here; 0 for a packet without one."""
        column: NDArray[Any] = getattr(self, name)
        found = np.zeros(len(packets), column.dtype)
        if len(self):
            at = np.minimum(np.searchsorted(self.packet, packets), len(self) - 1)
            there = self.packet[at] == packets
            found[there] = column[at[there]]
        return found


@dataclass(frozen=True, eq=False)
class Handshake(OptionTable):
    """What a SYN negotiates: one row per packet with one of these options (RFC 9293, 7323, 2018)."""

    mss: Annotated[U16, Column("maximum segment size; 0: not offered", "bytes")]
    window_scale: Annotated[U8, Column("shift of the windows to come; 255: not offered", "bits")]
    sack_permitted: Annotated[Bools, Column("SACK is understood")]


@dataclass(frozen=True, eq=False)
class Sack(OptionTable):
    """Selective acknowledgements: one row per block (RFC 2018)."""

    left: Annotated[U32, Column("first sequence number of the block")]
    right: Annotated[U32, Column("sequence number after the block")]


@dataclass(frozen=True, eq=False)
class MptcpTable(OptionTable):
    """Base of the MPTCP tables."""

    length: Annotated[U8, Column("length of the whole option, which tells its form", "bytes")]


@dataclass(frozen=True, eq=False)
class MpCapable(MptcpTable):
    """MP_CAPABLE (RFC 8684 section 3.1): 4 bytes in a SYN, 12 in a SYN+ACK, 20 in an ACK, 22 or 24 with data."""

    version: Annotated[U8, Column("version of MPTCP")]
    flags: Annotated[U8, Column("flags A (0x80) to H (0x01)")]
    sender_key: Annotated[U64, Column("key of the packet's sender; length 12 and more")]
    receiver_key: Annotated[U64, Column("key of the packet's receiver; length 20 and more")]
    data_length: Annotated[U16, Column("data-level length; length 22 and more", "bytes")]
    checksum: Annotated[U16, Column("DSS checksum; length 24")]


@dataclass(frozen=True, eq=False)
class MpJoin(MptcpTable):
    """MP_JOIN (RFC 8684 section 3.2): 12 bytes in a SYN, 16 in a SYN+ACK, 24 in an ACK."""

    backup: Annotated[Bools, Column("flag B; SYN and SYN+ACK")]
    address_id: Annotated[U8, Column("id of the sender's address; SYN and SYN+ACK")]
    token: Annotated[U32, Column("token of the receiver's connection; SYN")]
    nonce: Annotated[U32, Column("sender's random number; SYN and SYN+ACK")]
    truncated_hmac: Annotated[U64, Column("leftmost 64 bits of the sender's HMAC; SYN+ACK")]
    hmac: Annotated[NDArray[np.void], Column("sender's HMAC, 20 bytes; ACK", dtype="V20")]


@dataclass(frozen=True, eq=False)
class Dss(MptcpTable):
    """DSS (RFC 8684 section 3.3): data acknowledgement and mapping of the payload, each optional."""

    flags: Annotated[U8, Column("flags F (0x10), m, M, a and A (0x01)")]
    data_ack: Annotated[U64, Column("data acknowledgement, 4 or 8 bytes as sent; with flag A")]
    dsn: Annotated[U64, Column("data sequence number, 4 or 8 bytes as sent; with flag M")]
    subflow_seq: Annotated[U32, Column("relative subflow sequence number; with flag M")]
    data_length: Annotated[U16, Column("bytes that the mapping covers; with flag M", "bytes")]
    checksum: Annotated[U16, Column("DSS checksum, where the length has room for it")]

    @property
    def has_ack(self) -> Bools:
        """Which rows carry a data acknowledgement."""
        found: Bools = (self.flags & DSS_ACK) != 0
        return found

    @property
    def has_mapping(self) -> Bools:
        """Which rows map the payload to the data sequence."""
        found: Bools = (self.flags & DSS_MAPPING) != 0
        return found

    @property
    def is_fin(self) -> Bools:
        """Which rows carry DATA_FIN."""
        found: Bools = (self.flags & DSS_DATA_FIN) != 0
        return found

    @property
    def has_checksum(self) -> Bools:
        """Which rows carry a checksum."""
        ack = np.where(self.has_ack, np.where((self.flags & DSS_ACK_8) != 0, 8, 4), 0)
        dsn = np.where((self.flags & DSS_DSN_8) != 0, 8, 4)
        found: Bools = self.has_mapping & (self.length == 4 + ack + dsn + 6 + 2)
        return found


@dataclass(frozen=True, eq=False)
class AddAddr(MptcpTable):
    """ADD_ADDR (RFC 8684 section 3.4.1), with and without port and HMAC; an echo has no HMAC."""

    echo: Annotated[Bools, Column("flag E: acknowledges an ADD_ADDR of the peer")]
    address_id: Annotated[U8, Column("id of the address")]
    ip_version: Annotated[U8, Column("4 or 6")]
    address: Annotated[U32, Column("the address, as `src` in `Packets`")]
    signed_address: Annotated[U32, Column("the same as it was captured, of which the HMAC is: not taken for another")]
    port: Annotated[U16, Column("port; 0: not given")]
    hmac: Annotated[U64, Column("truncated HMAC; lengths 16, 18, 28 and 30")]


@dataclass(frozen=True, eq=False)
class RemoveAddr(MptcpTable):
    """REMOVE_ADDR (RFC 8684 section 3.4.2): one row per address id in the list."""

    address_id: Annotated[U8, Column("id of the removed address")]


@dataclass(frozen=True, eq=False)
class MpPrio(MptcpTable):
    """MP_PRIO (RFC 8684 section 3.3.8): 3 bytes; 4 with an address id, as version 0 of MPTCP has it."""

    backup: Annotated[Bools, Column("flag B: the subflow is to be a backup path")]
    address_id: Annotated[U8, Column("id of the address whose subflows are meant; length 4")]


@dataclass(frozen=True, eq=False)
class MpFail(MptcpTable):
    """MP_FAIL (RFC 8684 section 3.7): a checksum failed, or mappings are missing."""

    dsn: Annotated[U64, Column("data sequence number where it failed")]


@dataclass(frozen=True, eq=False)
class MpFastclose(MptcpTable):
    """MP_FASTCLOSE (RFC 8684 section 3.5): the connection is aborted."""

    receiver_key: Annotated[U64, Column("key of the packet's receiver")]


@dataclass(frozen=True, eq=False)
class MpTcprst(MptcpTable):
    """MP_TCPRST (RFC 8684 section 3.6): why a subflow is reset."""

    flags: Annotated[U8, Column("flags U (0x08), V, W and T (0x01)")]
    reason: Annotated[U8, Column("reason code of RFC 8684 section 3.6")]


@dataclass(frozen=True, eq=False)
class OtherMptcp(MptcpTable):
    """MPTCP options of a subtype, or of a length, that RFC 8684 does not have."""

    subtype: Annotated[U8, Column("the subtype, 0 to 15")]


OPTION_TABLES: Mapping[str, type[OptionTable]] = {
    "handshake": Handshake,
    "sack": Sack,
    "mp_capable": MpCapable,
    "mp_join": MpJoin,
    "dss": Dss,
    "add_addr": AddAddr,
    "remove_addr": RemoveAddr,
    "mp_prio": MpPrio,
    "mp_fail": MpFail,
    "mp_fastclose": MpFastclose,
    "mp_tcprst": MpTcprst,
    "other_mptcp": OtherMptcp,
}
"""The tables of `Packets` by attribute name."""


def assemble(name: str, parts: Sequence[Mapping[str, Any]], packets: int) -> OptionTable:
    """A table of that many packets from parts with an array `packet` of distinct rows each, and other columns or none.

    A packet's rows come in the order of the parts; a column that a part lacks is 0 there.
    """
    kind = OPTION_TABLES[name]
    rows_of = np.zeros(packets, np.int64)
    for part in parts:
        rows_of[part["packet"]] += 1
    following = np.cumsum(rows_of)
    total = int(following[-1]) if packets else 0
    following -= rows_of
    columns = {each: np.zeros(total, column.dtype) for each, column in kind.types().items()}
    for part in parts:
        packet = part["packet"]
        at = following[packet]
        following[packet] += 1
        for each, values in part.items():
            columns[each][at] = values
    return kind(**columns)
