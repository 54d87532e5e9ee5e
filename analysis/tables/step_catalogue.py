"""Tables for a time line: what travelled in each of some hundred steps of a point, however long the point is."""

from __future__ import annotations

from analysis.tables.common_columns import CONNECTION, PATHS, POINT, SINCE_START, SUBFLOW
from analysis.tables.schema import Field, Table

_STEP = (
    Field("step", "integer", f"the step, from 0: [step, step + 1) times `step_s` {SINCE_START}"),
    Field("step_s", "number", "how long each of the point's steps is: 1, 2 or 5 of a power of ten", "s"),
)

STEPS = Table(
    "steps",
    "one step of one path, server and direction; a step without a packet has no row",
    (
        POINT,
        *_STEP,
        Field("path", "text", PATHS),
        Field("server", "text", "the server that the packets' subflow was opened at; null: one of several"),
        Field("direction", "text", "`to-client` or `to-server`"),
        Field("packets", "integer", "packets; a burst of segmentation offload is one"),
        Field("payload_bytes", "integer", "payload, repeats included", "bytes"),
        Field("ip_bytes", "integer", "IP packets with their headers", "bytes"),
        Field("resets", "integer", "RSTs"),
    ),
)

PROGRESS = Table(
    "progress",
    "one step of one subflow in the direction in which its connection has more payload; steps without payload have no "
    "row; of a point with very many connections every n-th is there",
    (
        POINT,
        CONNECTION,
        SUBFLOW,
        *_STEP,
        Field("direction", "text", "`to-client` or `to-server`"),
        Field("packets", "integer", "packets with payload; a burst of segmentation offload is one"),
        Field("payload_bytes", "integer", "payload, repeats included", "bytes"),
        Field("repeated_bytes", "integer", "that of it which came behind a later one of its subflow", "bytes"),
        Field(
            "first_byte",
            "integer",
            "the lowest place in the connection of what it carried: data sequence number, or for TCP sequence number, "
            "from the connection's first captured byte on; null: no mapping of MPTCP was captured",
        ),
        Field("end_byte", "integer", "the place after the highest"),
    ),
)
