"""Tables of what was recorded at a point's directors (`director_statistics`); empty for other points."""

from __future__ import annotations

from analysis.tables.common_columns import POINT
from analysis.tables.schema import Field, Table

DIRECTORS = Table(
    "directors",
    "what passed one director in one direction, from the workload's start until what its end set off was over; bytes "
    "begin with IP's header, and a burst of segmentation offload is one packet",
    (
        POINT,
        Field("director", "text", "the node"),
        Field("direction", "text", "`to-servers` or `to-clients`"),
        Field("captured_bytes", "integer", "in the captures at its links that lead away from the servers", "bytes"),
        Field("captured_packets", "integer", "the packets of that"),
        Field("interface_bytes", "integer", "by the counters of these links, without Ethernet's headers", "bytes"),
        Field("interface_packets", "integer", "the packets of that, those that are no TCP among them"),
        Field("balancer_bytes", "integer", "by the balancer's own statistics; null: it has none", "bytes"),
        Field("balancer_packets", "integer", "the packets of that"),
        Field(
            "dropped_packets",
            "integer",
            "to clients: what its own queues at these links dropped, which is in no capture",
        ),
        Field("entries_before", "integer", "connections that it kept an entry of before; null: it cannot tell"),
        Field("entries_most", "integer", "the most in one of the samples"),
        Field("entries_after", "integer", "the same when all was over"),
    ),
)

STATE = Table(
    "state",
    "the entries of one director in one sample (once a second, by the lab)",
    (
        POINT,
        Field("t_s", "number", "when the sample was taken, since the workload's start", "s"),
        Field("director", "text", "the node"),
        Field("entries", "integer", "connections that it kept an entry of; null: it cannot tell"),
    ),
)
