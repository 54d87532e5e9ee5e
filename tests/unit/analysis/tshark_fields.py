"""The fields of tshark that the decoder has as columns, or that follow from them."""

from __future__ import annotations

MPTCP = "tcp.options.mptcp."

HEADER_FIELDS = (
    "frame.number", "frame.protocols", "frame.time_epoch", "frame.interface_id", "frame.file_off",
    "vlan.id", "ieee8021ad.id", "sll.ifindex", "sll.pkttype",
    "ip.version", "ip.dsfield", "ip.ttl", "ip.id", "ip.src", "ip.dst", "ip.len",
    "ipv6.version", "ipv6.tclass", "ipv6.hlim", "ipv6.src", "ipv6.dst", "ipv6.plen",
    "tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.window_size_value", "tcp.checksum",
    "tcp.urgent_pointer", "tcp.hdr_len", "tcp.len", "tcp.payload", "tcp.options",
)  # fmt: skip
OPTION_FIELDS = (
    "tcp.option_kind", "tcp.option_len", "tcp.options.mss_val", "tcp.options.wscale.shift",
    "tcp.options.sack_le", "tcp.options.sack_re", "tcp.options.sack.count",
    "tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr",
    *(
        MPTCP + name
        for name in (
            "subtype", "version", "flags", "reserved", "backup.flag", "checksumreq.flags", "extensibility.flag",
            "nomoresubflows.flag", "sha256.flag", "reserved.flag", "datafin.flag", "dseqn8.flag", "dseqnpresent.flag",
            "dataack8.flag", "dataackpresent.flag", "flag_U.flag", "flag_V.flag", "flag_W.flag", "flag_T.flag",
            "rst_reason", "addrid", "sendkey", "recvkey", "recvtok", "sendrand", "sendtrunchmac", "sendhmac",
            "addaddrtrunchmac", "rawdataack", "rawdataseqno", "subflowseqno", "datalvllen", "checksum", "ipver",
            "echo", "ipv4", "ipv6", "port",
        )
    ),
    "mptcp.rm_addr.count",
)  # fmt: skip
