"""The tables of an exploration (`testbed explore`): the packets of its base line, and its cases."""

from __future__ import annotations

from analysis.tables.schema import Field, Table

PACKETS = Table(
    "packets",
    "A TCP packet of the base line, in the order in which they pass the injector in front of the client.",
    (
        Field("packet", "integer", "its number, from 1"),
        Field("what", "text", "what it is, which way it goes, of which subflow it is"),
        Field("t_s", "number", "when it passed, from the connection's first packet", "s"),
        Field("direction", "text", "which way it goes"),
        Field("subflow", "text", "of which subflow it is"),
        Field("kind", "text", "what it is: a step of TCP's or MPTCP's, data, an ACK"),
        Field("payload_bytes", "integer", "TCP payload", "bytes"),
        Field("seq", "integer", "sequence number, from the sender's first"),
        Field("ack", "integer", "acknowledgement number, from the other's first"),
    ),
)

CASES = Table(
    "cases",
    "A case: the connection made again, with one fault or several.",
    (
        Field("case", "text", "its name, which says its faults"),
        Field("packet", "integer", "the number of the packet that the first fault hits"),
        Field("what", "text", "what that packet is, as in `packets`"),
        Field("path", "text", "whether that packet goes by the service address, or past it"),
        Field("fault", "text", "what is done to it: lost, duplicated, delayed, swapped (it lets the next one pass)"),
        Field("delay_s", "number", "how late a delayed packet is", "s"),
        Field("faults", "text", "all faults of the case"),
        Field("change", "text", "what happened to servers, directors or paths"),
        Field("change_s", "number", "when, from the connection's start", "s"),
        Field("after_packet", "integer", "how many packets had passed then"),
        Field("applied", "yes/no", "injector, captures and plan agree: the faults are what happened, and no other"),
        Field("not_applied", "text", "why not"),
        Field("outcome", "text", "ok, slower, reset, error, hangs (no end within the bound) or damaged"),
        Field("done_s", "number", "when the client had all and the end of it, from the connection's start", "s"),
        Field("extra_s", "number", "how much later than without a fault", "s"),
        Field("error", "text", "what the client's socket said"),
        Field("received_bytes", "integer", "how much of the object came, or more", "bytes"),
        Field("intact", "yes/no", "what came is what the server has"),
        Field("join", "text", "the second subflow: confirmed, refused (RST), unanswered or none"),
        Field("join_s", "number", "when it was confirmed, from the first packet", "s"),
        Field("bytes_by_service", "integer", "payload to the client by the service address", "bytes"),
        Field("sockets_left", "integer", "sockets of the connection that never went"),
        Field("quiet_s", "number", "when there was none any more, TIME_WAIT aside, looked at now and again", "s"),
        Field("counters", "text", "a kernel's counter that should not have moved, or disagrees with what passed"),
        Field("kernel", "text", "what a kernel complained of"),
        Field("captures", "text", "what captures have seen otherwise than the injector"),
        Field("packets", "integer", "how many packets passed the injector"),
        Field("digest", "text", "a hash over all that passed, in order at each place in each direction"),
        Field("finding", "text", "what is wrong with it, if anything is"),
    ),
)

WINDOWS = Table(
    "windows",
    "Moments in a row at which a change led to one outcome.",
    (
        Field("connection", "text", "the point that was explored"),
        Field("change", "text", "what happened, and to whom"),
        Field(
            "outcome",
            "text",
            "as in `cases`, or after the end, or not applied: it was another moment",
        ),
        Field("after_first", "integer", "behind how many packets the first of the moments is"),
        Field("after_last", "integer", "behind how many packets the last of them is"),
        Field("from_s", "number", "where they begin, from the connection's start", "s"),
        Field("to_s", "number", "where they end", "s"),
        Field("slowest_s", "number", "the most that a connection took longer", "s"),
    ),
)

COMPARISON = Table(
    "comparison",
    "A fault of a packet, with one kernel or scheme and with another.",
    (
        Field("what", "text", "the packet, as in `cases`"),
        Field("fault", "text", "what is done to it"),
        Field("delay", "integer", "which of the delays it is, from 1; none if it is not late"),
        Field("outcome_first", "text", "what came of it with the first"),
        Field("outcome_second", "text", "what came of it with the second"),
        Field("cost_first_s", "number", "how much later all was there, beyond the delay itself", "s"),
        Field("cost_second_s", "number", "the same with the second", "s"),
        Field("join_first", "text", "the second subflow with the first"),
        Field("join_second", "text", "the second subflow with the second"),
        Field("join_first_s", "number", "when it was confirmed, from the first packet", "s"),
        Field("join_second_s", "number", "the same with the second", "s"),
        Field("difference_s", "number", "how much more it costs with the second", "s"),
        Field("verdict", "text", "the second is better, worse or the same, or only one has such a packet"),
    ),
)
