"""The RSTs behind each change of the servers, as the table of RSTs traces them.

Enters: a summary with values per second, the point's table `resets`. Leaves: the same summary, each change with the
number of RSTs that reached the client because of it, whenever that was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from analysis.summary.model import PointSummary
from testbed.record.events import CHURN

_EVENTS: dict[str, str] = {kind.removeprefix("server-"): kind for kind in CHURN}


def with_traced_resets(summary: PointSummary, resets: pa.Table) -> PointSummary:
    """The summary with `resets` of every change; as it is where it has no values per second."""
    series = summary.per_second
    if series is None:
        return summary
    received = pc.and_(resets["in_workload"], pc.equal(resets["direction"], "to-client"))
    rows = resets.filter(pc.and_(received, pc.is_valid(resets["churn"])))
    columns = (rows[name].to_pylist() for name in ("churn_t_s", "churn", "churn_server"))
    traced = Counter((t_s, _EVENTS[event], server) for t_s, event, server in zip(*columns, strict=True))
    churn = tuple(replace(each, resets=traced[each.t, each.event, each.server]) for each in series.churn)
    return replace(summary, per_second=replace(series, churn=churn))
