"""The table of RSTs, and why a RST is sent."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.tables.common_columns import EVIDENCE, PATHS, POINT, SINCE_START
from analysis.tables.schema import Field, Table

RESETS = Table(
    "resets",
    "one RST, in order of time",
    (
        POINT,
        Field("reset", "integer", "number of the RST within the point, from 0"),
        Field("t_s", "number", f"time {SINCE_START}", "s"),
        Field("in_workload", "yes/no", "whether it is within the workload (what summary.json counts)"),
        Field("direction", "text", "`to-client` or `to-server`"),
        Field("sender", "text", "`client`, or the server's name; null: one of several servers, or a director"),
        Field("sender_evidence", "text", EVIDENCE),
        Field("candidates", "text", "the servers that it may have come from, separated by spaces"),
        Field("src", "text", "source address"),
        Field("sport", "integer", "source port"),
        Field("dst", "text", "destination address"),
        Field("dport", "integer", "destination port"),
        Field("ttl", "integer", "time to live"),
        Field("connection", "integer", "connection that it hit; null: none that is known"),
        Field("subflow", "integer", "subflow that it hit"),
        Field("path", "text", PATHS),
        Field("has_ack", "yes/no", "flag ACK: without it, an answer to a packet for which there was no socket"),
        Field(
            "seq_relative", "integer", "its sequence number less what the receiver expected; null: not known", "bytes"
        ),
        Field(
            "acceptable",
            "text",
            "what RFC 5961 makes of it: `exact` (accepted), `in-window` (challenged), `outside` (dropped), "
            "`unknown` (the receiver's state was not captured)",
        ),
        Field("receiver_open", "yes/no", "whether the receiver's end of the subflow was still open"),
        Field("ended_subflow", "yes/no", "whether it ended the subflow"),
        Field("ended_connection", "yes/no", "whether it ended the application's connection"),
        Field("mptcp_reason", "integer", "reason code of MP_TCPRST"),
        Field("cause", "text", "why it was sent: one of the causes below"),
        Field("churn", "text", "the change behind it, without `server-`: `removed`, `added`...; null: none"),
        Field("churn_server", "text", "the server, or director, that it is about"),
        Field("churn_t_s", "number", f"when that was {SINCE_START}", "s"),
        Field(
            "churn_evidence",
            "text",
            "`server` (the flow's own server was out) or `timeline` (the last change before it)",
        ),
        Field("moved_from", "text", "the server that had the flow before that change"),
        Field("moved_to", "text", "the server that the change led it to"),
    ),
)

CAUSES: Mapping[str, str] = {
    "no-socket": "a server without the socket answered a stray packet: the route had moved",
    "closed-socket": "an end answered a packet for a connection that it no longer had, such as data that was under way "
    "when it sent a RST",
    "workload-end": "the workload was stopped: sockets closed with downloads unfinished, and what followed from it",
    "unread-data": "a socket was closed with unread data in it, or aborted",
    "initial-closed": "the server closed the initial subflow of a connection that had another one",
    "subflow-closed": "an end reset one subflow of a connection that went on",
    "fastclose": "MP_FASTCLOSE: the whole MPTCP connection was aborted; also the peer's RST that answers it",
    "join-refused": "the answer to the SYN of a join",
    "refused": "the answer to the SYN of a connection",
    "after-close": "late packets of a subflow that both sides had closed",
    "unknown": "none of these",
}
"""The causes of a RST, and what each means."""
