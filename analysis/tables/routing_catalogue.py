"""Tables of points with routers (`[topology] part = "routed-anycast"`); empty for other points."""

from __future__ import annotations

from analysis.tables.common_columns import CONNECTION, POINT, SINCE_START, SUBFLOW
from analysis.tables.schema import Field, Table

ROUTES = Table(
    "routes",
    "one route that a routing daemon gave its router's kernel, or took away",
    (
        POINT,
        Field("t_s", "number", f"when {SINCE_START}", "s"),
        Field("node", "text", "the router"),
        Field("is_first", "yes/no", "whether it is the client's own router, by which all ways begin"),
        Field("change", "text", "`there` at the start, `set`, whatever was there, or `deleted`"),
        Field("destination", "text", "an address, or a network with its prefix"),
        Field("leads_to", "text", "whose that is: `service`, or the server whose unique address it has; null: others'"),
        Field("via", "text", "the gateway, or several with blanks between; the interface where it has none"),
    ),
)

REROUTED = Table(
    "rerouted",
    "one subflow to the service address whose packets came to another server than it was opened at",
    (
        POINT,
        CONNECTION,
        SUBFLOW,
        Field("client_port", "integer", "port at the client"),
        Field("old_server", "text", "the server that it was opened at"),
        Field("new_server", "text", "the one that its packets came to"),
        Field("event", "text", "the last change before its first packet came there"),
        Field("event_t_s", "number", f"when that was {SINCE_START}", "s"),
        Field("route_s", "number", "when the client's router last got another route to the service before", "s"),
        Field(
            "kind",
            "text",
            "what the first packet was: `answer to a retransmission` or `answer` (to what the old server sent), "
            "`retransmission` or `first transmission` (of the client's own data), `close` (its FIN); null: another",
        ),
        Field("sent_s", "number", "when the old server sent what it answers", "s"),
        Field("arrived_s", "number", "when that came to the client", "s"),
        Field("left_s", "number", "when the first packet left the client", "s"),
        Field("reached_s", "number", "when it came to the new server", "s"),
        Field("reset_s", "number", "when that server sent a RST", "s"),
        Field("survived", "yes/no", "whether its connection did: see `connections`"),
    ),
)
