"""Tables of time and order: round trips, one-way delays, what waited for what, what was sent again; and signatures."""

from __future__ import annotations

from analysis.tables.common_columns import CONNECTION, POINT, SINCE_START, SUBFLOW
from analysis.tables.schema import Field, Table

_SENDER = Field("sender", "text", "whose packets: `client` or `server`")
_KARN = (
    "from the place of capture to the receiver and back (at the receiver's own place: until it acknowledges), by ACKs, "
    "without delayed ones and without those after a retransmission"
)

DELAYS = Table(
    "delays",
    "one subflow and sender: how long its packets took, and their acknowledgements",
    (
        POINT,
        CONNECTION,
        SUBFLOW,
        _SENDER,
        Field(
            "handshake_s", "number", "round trip of its SYN or SYN+ACK; null: sent more than once, or not captured", "s"
        ),
        Field("samples", "integer", f"round trips {_KARN}"),
        Field("least_s", "number", "the shortest of them", "s"),
        Field("median_s", "number", "the median", "s"),
        Field("p95_s", "number", "what 95 % do not exceed", "s"),
        Field("most_s", "number", "the longest", "s"),
        Field(
            "delayed_acks",
            "integer",
            "acknowledgements that were delayed on purpose: of less than two full segments, and 20 to 500 ms later "
            "than the quickest",
        ),
        Field("stamp_samples", "integer", "round trips by time stamps: from a TSval to its echo (RFC 7323)"),
        Field("stamp_least_s", "number", "the shortest of them", "s"),
        Field("stamp_median_s", "number", "the median: with pauses of the application in it", "s"),
        Field(
            "one_way_samples",
            "integer",
            "packets that two places captured: their one-way delay, from the place nearer to the sender, with what "
            "they waited in queues between; null: one place only",
        ),
        Field("one_way_least_s", "number", "the shortest; negative: the places' clocks differ", "s"),
        Field("one_way_median_s", "number", "the median", "s"),
        Field("one_way_p95_s", "number", "what 95 % do not exceed", "s"),
        Field("one_way_most_s", "number", "the longest", "s"),
        Field("flight_most", "integer", "most bytes in flight, as the place of capture saw it", "bytes"),
        Field("window_least", "integer", "smallest receive window that the other end announced after its SYN", "bytes"),
        Field("window_most", "integer", "largest such window; null: its scale was not captured", "bytes"),
    ),
)

DELIVERIES = Table(
    "deliveries",
    "one connection and direction: how long its bytes waited for those before them (head-of-line blocking), by data "
    "sequence numbers of MPTCP, by sequence numbers of TCP; at the place of capture",
    (
        POINT,
        CONNECTION,
        Field("sender", "text", "whose bytes: `client` or `server`"),
        Field("bytes", "integer", "bytes that came, each once", "bytes"),
        Field("late_bytes", "integer", "those that came before something that is before them", "bytes"),
        Field("lost_bytes", "integer", "those that waited for something that is not in the captures at all", "bytes"),
        Field("unmapped_bytes", "integer", "payload of MPTCP without a mapping: its place is not known", "bytes"),
        Field("wait_mean_s", "number", "how long the late bytes waited, on average", "s"),
        Field("wait_most_s", "number", "the longest wait", "s"),
        Field("wait_byte_seconds", "number", "all waits together: bytes times seconds", "byte s"),
        Field(
            "behind_initial",
            "number",
            "share of that in which bytes of a further subflow waited for the initial one; null: nothing waited",
            "0 to 1",
        ),
        Field("buffer_most", "integer", "largest size of the reordering buffer", "bytes"),
    ),
)

RETRANSMISSION_KINDS = (
    "`rto` (after 200 ms of silence, the first byte that was not acknowledged), `tlp` (a tail loss probe: the newest, "
    "nothing behind it acknowledged), `fast` (something behind it had been acknowledged, or right after such a one), "
    "`spurious` (the receiver had it: by its ACKs, its D-SACK, or the capture at its place), `overtaken` (sent before "
    "what it comes behind, by its IPv4 identification), `reinjection` (bytes that another subflow of the connection "
    "has carried, RFC 8684 section 3.3.6), `unknown`"
)

RETRANSMISSIONS = Table(
    "retransmissions",
    "one packet with payload that was sent before, or fills a hole; reinjections on other subflows included",
    (
        POINT,
        CONNECTION,
        SUBFLOW,
        _SENDER,
        Field("t_s", "number", f"time {SINCE_START}", "s"),
        Field("bytes", "integer", "payload that came again, or late", "bytes"),
        Field("kind", "text", RETRANSMISSION_KINDS),
        Field("trigger", "text", "what made the sender do it, needed or not: one of these; null: a reinjection"),
        Field("after_s", "number", "since its first byte came to the place of capture before; null: it did not", "s"),
        Field("silent_s", "number", "since the last packet of this sender on the subflow", "s"),
        Field(
            "useful",
            "yes/no",
            "reinjection: whether the copy that was sent last came first, so that it was of use; null: only one place "
            "captured them",
        ),
    ),
)

CHECKSUMS = Table(
    "checksums",
    "one subflow and sender that uses DSS checksums (RFC 8684 section 3.3.1)",
    (
        POINT,
        CONNECTION,
        SUBFLOW,
        _SENDER,
        Field("right", "integer", "mappings whose checksum is right"),
        Field("wrong", "integer", "mappings whose checksum is wrong"),
        Field(
            "unknown",
            "integer",
            "mappings of which nobody can say it: their payload was not captured whole, is in a compressed file, or "
            "the data sequence number has 32 bits",
        ),
        Field("first_wrong_s", "number", f"time of the first wrong one {SINCE_START}; null: none", "s"),
    ),
)

SIGNATURES = Table(
    "signatures",
    "one HMAC of MPTCP (RFC 8684 sections 3.2 and 3.4.1)",
    (
        POINT,
        CONNECTION,
        SUBFLOW,
        Field("t_s", "number", f"time {SINCE_START}", "s"),
        Field("sender", "text", "who signed: `client` or `server`"),
        Field("what", "text", "`join-syn-ack`, `join-ack` or `add-addr`"),
        Field("verdict", "text", "`right`, `wrong`, or `unknown`: the connection's keys were not captured"),
    ),
)
