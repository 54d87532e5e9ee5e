"""Tables of a point as a whole: its settings and results, what the lab sampled and logged, what `ab` said."""

from __future__ import annotations

from analysis.tables.common_columns import POINT
from analysis.tables.schema import Field, Table
from testbed.record.events import CHURN

POINTS = Table(
    "points",
    "one point: its settings in short and the results of summary.json that are single values",
    (
        POINT,
        Field("experiment", "text", "name of the experiment"),
        Field("figure", "text", "number of the paper's figure"),
        Field("title", "text", "title of the figure"),
        Field("topology", "text", "name of the experiment's topology; null for captures that are no point"),
        Field("director", "text", "name of its director; null for captures that are no point"),
        Field("workload", "text", "name of its workload; null for captures that are no point"),
        Field("timetable", "text", "name of its timetable; null for captures that are no point"),
        Field("protection", "text", "name of its protection; null for captures that are no point"),
        Field("service_path", "text", "how the path to the service address is called"),
        Field("ends_by", "text", "what ends the workload: `requests` or `time`; null for captures that are no point"),
        Field("scheme", "text", "name of the scheme, if its settings are all of them that scheme's"),
        Field("variant", "text", "name of the variant, or what the scheme is called"),
        Field("condition", "text", "name of the condition"),
        Field("protocol", "text", "`tcp` or `mptcp`"),
        Field("clock", "text", "`virtual` or `real`"),
        Field("kernel", "text", "release of the kernel that it ran in"),
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

SAMPLES = Table(
    "samples",
    "one counter of one node in one sample (once a second, by the lab)",
    (
        POINT,
        Field("t_s", "number", "when the sample was taken, since the workload's start", "s"),
        Field("node", "text", "the node"),
        Field("interface", "text", "the interface; null for the counters of the protocols"),
        Field("counter", "text", "nstat's name, or `rx_bytes`, `rx_packets`, `tx_bytes`, `tx_packets` of an interface"),
        Field("value", "integer", "the counter's value"),
    ),
)

_CHANGES = ", ".join(f"`{each}`" for each in CHURN)
EVENTS = Table(
    "events",
    "one event of the lab",
    (
        POINT,
        Field("t_s", "number", "when, since the workload's start", "s"),
        Field("event", "text", f"`workload-started`, {_CHANGES}, `workload-ended`"),
        Field("server", "text", "the server that it is about"),
        Field("director", "text", "the director that it is about"),
        Field("by", "text", "the director whose health check it was; null: the timetable, at all directors"),
        Field("link", "text", "the link that it is about"),
        Field("direction", "text", "the one direction in which a link fell silent; null: both, or no such event"),
        Field("cost", "integer", "the link's new cost"),
    ),
)

REQUESTS = Table(
    "requests",
    "what `ab` said about one point",
    (
        POINT,
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
        POINT,
        Field("percent", "integer", "share of the requests", "%"),
        Field("time_ms", "number", "that were served within this time", "ms"),
    ),
)

RECONCILIATION = Table(
    "reconciliation",
    "one check of the captures against an independent count of the same thing",
    (
        POINT,
        Field("quantity", "text", "what is compared"),
        Field("node", "text", "the node, where the quantity is of one"),
        Field("counted", "integer", "the independent count: a kernel's counter, or ab's"),
        Field("explained", "integer", "what the captures say"),
        Field("difference", "integer", "counted less explained"),
        Field("holds", "yes/no", "whether they agree; null: not to be judged here"),
        Field("note", "text", "what the figures are, and what explains a difference"),
    ),
)
