"""The catalogue of tables that a run leaves: every column with its type, unit and meaning. The one source of both the
Parquet metadata and the documentation in README.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.tables.schema import Field, Table

_POINT = Field("point", "text", "the point's identifier; for captures that are no point, a name made of the files'")
_T = "since the workload's start (captures that are no point: since the first packet)"
_PATHS = "`director` (the service address), `past` (a server's unique address), `unknown` (neither)"
_CONNECTION = Field("connection", "integer", "number of the connection within the point, in order of opening, from 0")
_SUBFLOW = Field("subflow", "integer", "number of the subflow within its connection, in order of opening, from 0")
_SURE = (
    "how sure that is: `address` (a server's own address), `connection` (the MPTCP connection's server announced it), "
    "`capture` (captured at that server), `only` (no other was in the pool), `counter` (only its count of sent RSTs "
    "rose then), `pool` (one of several; none is named)"
)

POINTS = Table(
    "points",
    "one point: its settings in short and the results of summary.json that are single values",
    (
        _POINT,
        Field("experiment", "text", "name of the experiment"),
        Field("figure", "text", "number of the paper's figure"),
        Field("title", "text", "title of the figure"),
        Field("scenario", "text", "what the experiment's parts are put together to; `capture`: captures of no point"),
        Field("service_path", "text", "how the path to the service address is called"),
        Field("ends_by", "text", "what ends the workload: `requests` or `time`; null for captures that are no point"),
        Field("variant", "text", "name of the variant"),
        Field("condition", "text", "name of the condition"),
        Field("protocol", "text", "`tcp` or `mptcp`"),
        Field("clock", "text", "`virtual` or `real`"),
        Field("object_bytes", "integer", "size of the downloaded object", "bytes"),
        Field("seed", "integer from 0", "seed of the run"),
        Field("parameters", "text", "the point's parameters, as a JSON object; each name ends in its unit"),
        Field("start_ns", "integer", "the workload's start, which is t = 0 of every table, since the epoch", "ns"),
        Field("duration_s", "number", "length of the workload (captures that are no point: of the captures)", "s"),
        Field("goodput_bps", "number", "as in summary.json", "bit/s"),
        Field("wire_limit_bps", "number", "as in summary.json", "bit/s"),
        Field("requests_per_s", "number", "as in summary.json", "1/s"),
        Field("complete_requests", "integer", "as in summary.json"),
        Field("failed_requests", "integer", "as in summary.json"),
        Field("connections", "integer", "as in summary.json"),
        Field("joined", "integer", "as in summary.json"),
        Field("director_bypass_share", "number", "as in summary.json", "0 to 1"),
        Field("resets", "integer", "as in summary.json"),
        Field("resets_received", "integer", "as in summary.json"),
        Field("virtual_s", "number", "as in summary.json", "s"),
        Field("wall_s", "number", "as in summary.json", "s"),
        Field("valid", "yes/no", "whether no sanity rule was broken"),
        Field("invalid_reasons", "text", "the broken rules, separated by `; `"),
    ),
)

CONNECTIONS = Table(
    "connections",
    "one connection of the application: a TCP connection, or an MPTCP connection with all its subflows",
    (
        _POINT,
        _CONNECTION,
        Field(
            "protocol",
            "text",
            "`mptcp`, `tcp` (the SYN had no MP_CAPABLE), `fallback` (it had, and the SYN+ACK had none) or `unknown` "
            "(their options were not captured whole)",
        ),
        Field("client_address", "text", "who opened it: address of the initial subflow"),
        Field("client_port", "integer", "port there"),
        Field("server_address", "text", "the address that it was opened to"),
        Field("server_port", "integer", "port there"),
        Field("token", "integer", "MPTCP: token of the server's key, which the client's joins carry"),
        Field("client_token", "integer", "MPTCP: token of the client's key, which the server's joins carry"),
        Field("mptcp_version", "integer", "version that the SYN+ACK agreed to"),
        Field("deny_join", "yes/no", "the server's C flag: no further subflows to the address of the initial one"),
        Field("server", "text", "which server it was opened at"),
        Field("server_evidence", "text", _SURE),
        Field("syn_s", "number", f"time of its first SYN {_T}", "s"),
        Field("established_s", "number", "time of the client's first ACK of the SYN+ACK", "s"),
        Field("first_data_s", "number", "time of the first payload to the client", "s"),
        Field("last_data_s", "number", "time of the last payload to the client", "s"),
        Field("end_s", "number", "when it ended; null: it did not", "s"),
        Field("join_wait_s", "number", "from the initial SYN+ACK to the first SYN+ACK of a join", "s"),
        Field("past_wait_s", "number", "from the first SYN to the first payload that came past the director", "s"),
        Field("subflows", "integer", "subflows that were opened, the initial one included"),
        Field("subflows_established", "integer", "those whose handshake was completed"),
        Field("add_addr_sent", "integer", "ADD_ADDRs from the server, repeats included"),
        Field("add_addr_echoed", "integer", "echoes of ADD_ADDR from the client"),
        Field("bytes_to_client", "integer", "payload on all subflows, repeats included", "bytes"),
        Field("bytes_to_server", "integer", "payload on all subflows, repeats included", "bytes"),
        Field("bytes_past_to_client", "integer", "payload past the director", "bytes"),
        Field("bytes_past_to_server", "integer", "payload past the director", "bytes"),
        Field("past_share", "number", "share of the payload to the client that came past the director", "0 to 1"),
        Field("distinct_to_client", "integer", "payload, each byte of the connection counted once", "bytes"),
        Field("distinct_to_server", "integer", "payload, each byte of the connection counted once", "bytes"),
        Field(
            "retransmitted_to_client",
            "integer",
            "payload that came behind a later one of its subflow: retransmitted, or overtaken",
            "bytes",
        ),
        Field(
            "retransmitted_to_server",
            "integer",
            "payload that came behind a later one of its subflow: retransmitted, or overtaken",
            "bytes",
        ),
        Field("reinjected_to_client", "integer", "the same bytes of the connection on a second subflow", "bytes"),
        Field("reinjected_to_server", "integer", "the same bytes of the connection on a second subflow", "bytes"),
        Field("churn_events", "integer", "removals and additions of servers while it was open"),
        Field(
            "end",
            "text",
            "`closed`, `reset`, `open` (at the workload's end, or the capture's), `unanswered`, `refused`",
        ),
        Field("survived", "yes/no", "whether it came to an orderly end or was open when the workload ended"),
        Field("why", "text", "the same in words: what ended it, or what it outlived"),
        Field("reset", "integer", "the row in `resets` (column `reset`) that ended it"),
    ),
)

SUBFLOWS = Table(
    "subflows",
    "one subflow: one TCP connection, the only one of its connection for plain TCP",
    (
        _POINT,
        _CONNECTION,
        _SUBFLOW,
        Field("kind", "text", "`initial` or `join`; `tcp` for plain TCP; `midstream` where no SYN was captured"),
        Field("path", "text", _PATHS),
        Field("server", "text", "the server at its other end when it was opened"),
        Field("server_evidence", "text", _SURE),
        Field("opened_by", "text", "`client` or `server`"),
        Field("client_address", "text", "address at the client"),
        Field("client_port", "integer", "port at the client"),
        Field("server_address", "text", "address at the server"),
        Field("server_port", "integer", "port at the server"),
        Field("client_address_id", "integer", "join: id of the client's address; 0 for the initial subflow"),
        Field("server_address_id", "integer", "join: id of the server's address; 0 for the initial subflow"),
        Field("interface", "text", "where it was captured: file, interface, and of copies which one"),
        Field("tunnel", "text", "what it was found in, such as `IPIP` or `IPIP and GRE`; null: no tunnel"),
        Field("points_seen", "integer", "at how many places it was captured"),
        Field("syn_s", "number", f"time of the first SYN {_T}", "s"),
        Field("syns", "integer", "SYNs, repeats included"),
        Field("syn_ack_s", "number", "time of the first SYN+ACK", "s"),
        Field("established_s", "number", "time of the opener's first ACK of it", "s"),
        Field("joined_s", "number", "join: time of the first ACK with the opener's HMAC", "s"),
        Field("accepted", "yes/no", "the SYN+ACK agreed to what the SYN asked for (MP_CAPABLE, MP_JOIN, or plain TCP)"),
        Field("backup_in_syn", "yes/no", "join: flag B in the SYN or the SYN+ACK"),
        Field("backup_s", "number", "time of the first MP_PRIO that makes it a backup", "s"),
        Field("backup_by", "text", "who sent that: `client` or `server`"),
        Field("add_addr_sent", "integer", "ADD_ADDRs from the server on it, repeats included"),
        Field("add_addr_repeated", "integer", "those among them that repeat one of the same id in the connection"),
        Field("add_addr_echoed", "integer", "echoes from the client on it"),
        Field("add_addr_s", "number", "time of the first ADD_ADDR from the server", "s"),
        Field("add_addr_echo_s", "number", "time of the first echo from the client", "s"),
        Field("add_addr_address", "text", "the address that the first ADD_ADDR announced"),
        Field("first_data_to_client_s", "number", "time of the first payload to the client", "s"),
        Field("last_data_to_client_s", "number", "time of the last payload to the client", "s"),
        Field("first_data_to_server_s", "number", "time of the first payload to the server", "s"),
        Field("last_data_to_server_s", "number", "time of the last payload to the server", "s"),
        Field("packets_to_client", "integer", "packets; a burst of segmentation offload is one"),
        Field("packets_to_server", "integer", "packets; a burst of segmentation offload is one"),
        Field("bytes_to_client", "integer", "payload, repeats included", "bytes"),
        Field("bytes_to_server", "integer", "payload, repeats included", "bytes"),
        Field("distinct_to_client", "integer", "payload, each byte counted once", "bytes"),
        Field("distinct_to_server", "integer", "payload, each byte counted once", "bytes"),
        Field(
            "retransmitted_to_client",
            "integer",
            "payload that came behind a later one: retransmitted, or overtaken",
            "bytes",
        ),
        Field(
            "retransmitted_to_server",
            "integer",
            "payload that came behind a later one: retransmitted, or overtaken",
            "bytes",
        ),
        Field("fin_by_client_s", "number", "time of the client's first FIN", "s"),
        Field("fin_by_server_s", "number", "time of the server's first FIN", "s"),
        Field("resets_by_client", "integer", "RSTs that the client sent"),
        Field("resets_by_server", "integer", "RSTs that came from the server's side"),
        Field(
            "end",
            "text",
            "`closed` (FINs both ways), `half-closed` (one), `reset`, `open`, `unanswered` (no SYN+ACK), "
            "`refused` (the SYN was answered by a RST)",
        ),
        Field("end_by", "text", "reset or refused: who sent the RST; closed: who sent the first FIN"),
        Field("end_s", "number", "when it ended", "s"),
    ),
)

ANNOUNCEMENTS = Table(
    "announcements",
    "one ADD_ADDR option: an address announced, announced again, or echoed (RFC 8684 section 3.4.1)",
    (
        _POINT,
        _CONNECTION,
        _SUBFLOW,
        Field("t_s", "number", f"time {_T}", "s"),
        Field("sender", "text", "who sent it: `server` or `client`"),
        Field(
            "kind",
            "text",
            "`announcement` (the first of this id from this sender in the connection), `repeat` (a later one), `echo`",
        ),
        Field("address_id", "integer", "id of the address"),
        Field("address", "text", "the address"),
        Field("port", "integer", "port, where one is announced"),
    ),
)

RESETS = Table(
    "resets",
    "one RST, in order of time",
    (
        _POINT,
        Field("reset", "integer", "number of the RST within the point, from 0"),
        Field("t_s", "number", f"time {_T}", "s"),
        Field("in_workload", "yes/no", "whether it is within the workload (what summary.json counts)"),
        Field("direction", "text", "`to-client` or `to-server`"),
        Field("sender", "text", "`client`, or the server's name; null: one of several servers"),
        Field("sender_evidence", "text", _SURE),
        Field("candidates", "text", "the servers that it may have come from, separated by spaces"),
        Field("src", "text", "source address"),
        Field("sport", "integer", "source port"),
        Field("dst", "text", "destination address"),
        Field("dport", "integer", "destination port"),
        Field("ttl", "integer", "time to live"),
        Field("connection", "integer", "connection that it hit; null: none that is known"),
        Field("subflow", "integer", "subflow that it hit"),
        Field("path", "text", _PATHS),
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
        Field("churn", "text", "the change of routes behind it: `removed`, `added`; null: none"),
        Field("churn_server", "text", "the server that was removed or added"),
        Field("churn_t_s", "number", f"when that was {_T}", "s"),
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

SECONDS = Table(
    "seconds",
    "one second of one path and direction; of a point, a second without a packet has a row with zeros; captures that "
    "are no point have rows for seconds with packets only",
    (
        _POINT,
        Field("second", "integer", f"the second [k, k+1) {_T}", "s"),
        Field("path", "text", _PATHS),
        Field("server", "text", "the server, where the address tells it; null for the director's path"),
        Field("direction", "text", "`to-client` or `to-server`"),
        Field("whole", "yes/no", "whether the workload ran through the whole second"),
        Field("packets", "integer", "packets; a burst of segmentation offload is one"),
        Field("payload_bytes", "integer", "payload, repeats included", "bytes"),
        Field("ip_bytes", "integer", "IP packets with their headers", "bytes"),
        Field("resets", "integer", "RSTs"),
    ),
)

SAMPLES = Table(
    "samples",
    "one counter of one node in one sample (once a second, by the lab)",
    (
        _POINT,
        Field("t_s", "number", "when the sample was taken, since the workload's start", "s"),
        Field("node", "text", "the node"),
        Field("interface", "text", "the interface; null for the counters of the protocols"),
        Field("counter", "text", "nstat's name, or `rx_bytes`, `rx_packets`, `tx_bytes`, `tx_packets` of an interface"),
        Field("value", "integer", "the counter's value"),
    ),
)

EVENTS = Table(
    "events",
    "one event of the lab",
    (
        _POINT,
        Field("t_s", "number", "when, since the workload's start", "s"),
        Field("event", "text", "`workload-started`, `server-removed`, `server-added`, `workload-ended`"),
        Field("server", "text", "the server that was removed or added"),
    ),
)

REQUESTS = Table(
    "requests",
    "what `ab` said about one point",
    (
        _POINT,
        Field("concurrency", "integer", "requests at a time"),
        Field("duration_s", "number", "time taken", "s"),
        Field("complete", "integer", "complete requests, broken ones among them"),
        Field("failed", "integer", "requests that failed, each counted once"),
        Field("reported_failures", "integer", "ab's `Failed requests`: events"),
        Field("connect_failures", "integer", "ab's `Connect`: events"),
        Field("receive_failures", "integer", "ab's `Receive`: events"),
        Field("length_failures", "integer", "ab's `Length`: events"),
        Field("exceptions", "integer", "ab's `Exceptions`: events"),
        Field("non_2xx", "integer", "responses other than 2xx"),
        Field("total_bytes", "integer", "bodies and headers", "bytes"),
        Field("html_bytes", "integer", "bodies", "bytes"),
        Field("document_bytes", "integer", "ab's `Document Length`: the first response's", "bytes"),
    ),
)

PERCENTILES = Table(
    "percentiles",
    "one line of ab's percentiles of the time that a request took",
    (
        _POINT,
        Field("percent", "integer", "share of the requests", "%"),
        Field("time_ms", "number", "that were served within this time", "ms"),
    ),
)

RECONCILIATION = Table(
    "reconciliation",
    "one check of the captures against an independent count of the same thing",
    (
        _POINT,
        Field("quantity", "text", "what is compared"),
        Field("node", "text", "the node, where the quantity is of one"),
        Field("counted", "integer", "the independent count: a kernel's counter, or ab's"),
        Field("explained", "integer", "what the captures say"),
        Field("difference", "integer", "counted less explained"),
        Field("holds", "yes/no", "whether they agree; null: not to be judged here"),
        Field("note", "text", "what the figures are, and what explains a difference"),
    ),
)

PACKETS = Table(
    "packets",
    "one TCP packet of the client's flows; a burst of segmentation offload is one (only where it is asked for)",
    (
        _POINT,
        Field("t_s", "number", f"time {_T}", "s"),
        Field("interface", "text", "where it was captured: file, interface, and of copies which one"),
        Field("tunnel", "text", "what it was found in, such as `IPIP` or `IPIP and GRE`; null: no tunnel"),
        Field("frame", "integer", "number of the frame in its file, from 1"),
        _CONNECTION,
        _SUBFLOW,
        Field("path", "text", _PATHS),
        Field("direction", "text", "`to-client` or `to-server`"),
        Field("flags", "integer", "FIN 1, SYN 2, RST 4, PSH 8, ACK 16"),
        Field("seq", "integer", "sequence number"),
        Field("ack", "integer", "acknowledgement number"),
        Field("window", "integer", "receive window, before scaling"),
        Field("payload_bytes", "integer", "TCP payload", "bytes"),
        Field("dsn", "integer", "low 32 bits of the data sequence number of its first payload byte; null: no mapping"),
        Field("data_ack", "integer", "low 32 bits of the data acknowledgement; null: none"),
    ),
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        POINTS, CONNECTIONS, SUBFLOWS, ANNOUNCEMENTS, RESETS, SECONDS, SAMPLES, EVENTS, REQUESTS, PERCENTILES,
        RECONCILIATION,
    )
}  # fmt: skip
"""The tables that every run has, by name; `PACKETS` is not one of them, because of its size."""
