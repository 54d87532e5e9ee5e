"""Hypothesis strategies: packets with every TCP and MPTCP option, and captures of them in every format."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import frame_encoder as encode
from frame_encoder import Opt, Packet
from hypothesis import strategies as st

u8 = st.integers(0, 2**8 - 1)
u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
ipv4 = st.integers(1 << 24, 2**32 - 1).map(ipaddress.IPv4Address)
# Some addresses come again, and some end in zero bytes.
ipv6 = st.one_of(
    st.sampled_from(["::", "2001:db8::", "2001:db8::1", "2001:db8:0:1::", "fe80::1"]).map(ipaddress.IPv6Address),
    st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address),
)
acks = st.one_of(st.none(), st.tuples(st.just(4), u32), st.tuples(st.just(8), u64))
mappings = st.one_of(
    st.none(), st.tuples(st.just(4), u32, u32, u16), st.tuples(st.just(8), u64, u32, u16)
)  # fmt: skip

mptcp_options: list[st.SearchStrategy[Opt]] = [
    st.builds(
        encode.mp_capable, version=st.integers(0, 15), flags=u8, keys=st.lists(u64, max_size=2).map(tuple)
    ),
    st.builds(
        encode.mp_capable, version=st.just(1), flags=u8, keys=st.tuples(u64, u64), data_length=u16,
        checksum=st.none() | u16,
    ),
    st.builds(encode.join_syn, backup=st.booleans(), address_id=u8, token=u32, nonce=u32),
    st.builds(encode.join_syn_ack, backup=st.booleans(), address_id=u8, truncated_hmac=u64, nonce=u32),
    st.builds(encode.join_ack, st.binary(min_size=20, max_size=20)),
    st.builds(encode.dss, ack=acks, mapping=mappings, checksum=st.none() | u16, fin=st.booleans()),
    st.builds(
        encode.add_addr, echo=st.booleans(), address_id=u8, address=ipv4 | ipv6, port=st.none() | u16,
        hmac=st.none() | u64,
    ),
    st.lists(u8, min_size=1, max_size=8).map(lambda ids: encode.remove_addr(*ids)),
    st.builds(encode.mp_prio, backup=st.booleans(), address_id=st.none() | u8),
    st.builds(encode.mp_fail, u64),
    st.builds(encode.mp_fastclose, u64),
    st.builds(encode.mp_tcprst, flags=st.integers(0, 15), reason=u8),
    st.builds(encode.other_mptcp, st.integers(9, 15), st.binary(max_size=8)),
]  # fmt: skip
tcp_options: list[st.SearchStrategy[Opt]] = [
    st.builds(encode.nop),
    st.builds(encode.mss, u16),
    st.builds(encode.window_scale, st.integers(0, 14)),
    st.builds(encode.sack_permitted),
    st.lists(st.tuples(u32, u32), min_size=1, max_size=4).map(lambda blocks: encode.sack(*blocks)),
    st.builds(encode.timestamps, u32, u32),
    st.builds(encode.unknown, st.sampled_from([19, 28, 34, 253]), st.binary(max_size=16)),
]


@st.composite
def options(draw: Callable[..., object]) -> tuple[Opt, ...]:
    """Options that fit in a header; timestamps at most once."""
    wanted: list[Opt] = draw(st.lists(st.one_of(*mptcp_options, *tcp_options), max_size=6))  # type: ignore[assignment]
    kept: list[Opt] = []
    for option in wanted:
        twice = option.columns and any(each.columns for each in kept)
        if not twice and sum(len(each.raw) for each in [*kept, option]) <= 40:
            kept.append(option)
    return tuple(kept)


def extension(kind: int, units: int) -> tuple[int, bytes]:
    """An IPv6 extension header of (units + 1) * 8 bytes; of an authentication header (units + 2) * 4."""
    size = (units + 2) * 4 if kind == 51 else (units + 1) * 8
    return kind, bytes([units]) + bytes(size - 2)


extensions = st.lists(
    st.one_of(
        st.builds(extension, st.sampled_from([0, 43, 60, 51, 135]), st.integers(0, 3).map(lambda n: 2 * n)),
        st.just((44, bytes([0, 0, 1, 0, 0, 0, 7]))),  # the first fragment
    ),
    max_size=3,
).map(tuple)
common = {
    "sport": u16, "dport": u16, "seq": u32, "ack": u32, "flags": st.integers(0, 2**12 - 1), "window": u16,
    "checksum": u16, "urgent": u16, "tos": u8, "ttl": u8, "ip_id": u16, "options": options(),
    "payload": st.integers(0, 30), "vlans": st.lists(st.integers(0, 4095), max_size=2).map(tuple),
}  # fmt: skip
packets = st.one_of(
    st.builds(
        Packet, src=ipv4, dst=ipv4, ipv4_options=st.integers(0, 10).map(lambda words: bytes([1, 1, 1, 0] * words)),
        **common,
    ),
    st.builds(Packet, src=ipv6, dst=ipv6, ipv6_extensions=extensions, **common),
)  # fmt: skip
