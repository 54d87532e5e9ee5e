"""Tables of what the kernel said of itself, for points that ask for it (`[trace]`); empty for others."""

from __future__ import annotations

from analysis.tables.common_columns import POINT, SINCE_START
from analysis.tables.schema import Field, Table

_TIME = Field(
    "t_s",
    "number",
    f"time {SINCE_START}: that of the kernel's last timer before it, some microseconds too early at most; null: not "
    "recorded",
    "s",
)
_CONNECTION = Field("connection", "integer", "connection of the socket, by the client's address and port; null: none")
_SUBFLOW = Field("subflow", "integer", "subflow of the socket")
_END = Field("end", "text", "whose socket: `client` or `server`")

KERNEL_RESETS = Table(
    "kernel_resets",
    "one RST that the kernel sent, in their order: its own reason (tracepoint tcp:tcp_send_reset)",
    (
        POINT,
        _TIME,
        Field("src", "text", "address that it is sent from; of a listener `0.0.0.0` or `::`"),
        Field("sport", "integer", "port there"),
        Field("dst", "text", "address that it is sent to; of a listener `0.0.0.0` or `::`"),
        Field("dport", "integer", "port there"),
        Field("state", "text", "state of the socket, such as `CLOSE` or `LISTEN`; `UNKNOWN`: there is none"),
        Field("answers", "yes/no", "whether it answers a packet; else the socket was closed so"),
        Field("reason", "text", "the kernel's reason (include/net/rstreason.h)"),
        Field("specific", "yes/no", "whether that says anything: not `NOT_SPECIFIED`, `MPTCP_RST_EUNSPEC` or `ERROR`"),
        Field("reset", "integer", "the RST in the table `resets`; null: it is in no capture of the client's"),
        Field("cause", "text", "the cause that it has there"),
        Field("agrees", "yes/no", "whether cause and reason agree; null: no RST there, or the reason says nothing"),
    ),
)

KERNEL_RETRANSMISSIONS = Table(
    "kernel_retransmissions",
    "one segment that the kernel sent again (tracepoint tcp:tcp_retransmit_skb)",
    (
        POINT,
        _TIME,
        _CONNECTION,
        _SUBFLOW,
        _END,
        Field("state", "text", "state of the socket, such as `ESTABLISHED`"),
    ),
)

KERNEL_PROBES = Table(
    "kernel_probes",
    "one packet that came to an established socket, and what the kernel knew then (tracepoint tcp:tcp_probe)",
    (
        POINT,
        _TIME,
        _CONNECTION,
        _SUBFLOW,
        _END,
        Field("payload_bytes", "integer", "payload of the packet", "bytes"),
        Field("cwnd", "integer", "congestion window", "segments"),
        Field("ssthresh", "integer", "slow-start threshold; null: none yet", "segments"),
        Field("flight_bytes", "integer", "sent and not acknowledged", "bytes"),
        Field("send_window", "integer", "window that the other end allows", "bytes"),
        Field("receive_window", "integer", "window that it allows itself", "bytes"),
        Field("smoothed_s", "number", "smoothed round trip", "s"),
    ),
)

KERNEL_MPTCP = Table(
    "kernel_mptcp",
    "one event of MPTCP, in their order (tracepoints mptcp:*); the kernel does not say of which connection",
    (
        POINT,
        _TIME,
        Field(
            "event",
            "text",
            "`mptcp_subflow_get_send` (the scheduler looks at a subflow), `mptcp_sendmsg_frag` (a mapping is sent), "
            "`get_mapping_status` (one has come), `ack_update_msk` (data is acknowledged), `subflow_check_data_avail`",
        ),
        Field("active", "yes/no", "scheduler: whether the subflow may be used"),
        Field("free", "yes/no", "scheduler: whether it has room in its send buffer"),
        Field("backup", "yes/no", "scheduler: whether it is a backup"),
        Field("send_window", "integer", "scheduler: window of the subflow", "bytes"),
        Field("pace", "integer", "scheduler: pacing rate", "bytes a second"),
        Field("data_sequence", "text", "mapping: its data sequence number (64 bits)"),
        Field("payload_bytes", "integer", "mapping: its length", "bytes"),
        Field("data_ack", "text", "mapping, acknowledgement: data acknowledgement (64 bits)"),
        Field("acknowledged_bytes", "integer", "acknowledgement: what is new in it", "bytes"),
        Field("status", "text", "`subflow_check_data_avail`: what became of the mapping"),
    ),
)
