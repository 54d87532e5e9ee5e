"""The table of RSTs, in order of time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from analysis.flows.observation import DIRECTIONS, Observation, path_names
from analysis.pcap import ACK
from analysis.tables import TABLES


def tabulate_resets(observed: Observation) -> pa.Table:
    """The table `resets`."""
    packets, resets = observed.packets, observed.resets
    connection, subflow, _ = observed.numbers
    row, flow = resets.row, resets.flow
    times = packets.time_ns[row]
    inside = times >= observed.start_ns
    if observed.end_ns is not None:
        inside &= times <= observed.end_ns
    churn = resets.churn
    is_stray = [each is not None and cause == "no-socket" for each, cause in zip(churn, resets.cause, strict=True)]
    own_servers = [observed.servers[each].name for each in flow.tolist()]
    has_reason = np.isin(row, packets.mp_tcprst.packet)
    columns = {
        "point": [observed.point] * len(row),
        "reset": np.arange(len(row)),
        "t_s": observed.seconds(row),
        "in_workload": inside,
        "direction": [DIRECTIONS[not each] for each in resets.to_client.tolist()],
        "sender": [each.name for each in resets.sender],
        "sender_evidence": [each.evidence for each in resets.sender],
        "candidates": [" ".join(each.candidates) or each.name for each in resets.sender],
        "src": observed.address_texts(packets.src[row]),
        "sport": packets.sport[row],
        "dst": observed.address_texts(packets.dst[row]),
        "dport": packets.dport[row],
        "ttl": packets.ttl[row],
        "connection": np.ma.MaskedArray(connection[flow], connection[flow] < 0),
        "subflow": np.ma.MaskedArray(subflow[flow], connection[flow] < 0),
        "path": path_names(observed.traffic.sides.path[row]),
        "has_ack": (packets.flags[row] & ACK) != 0,
        "seq_relative": resets.acceptability.relative,
        "acceptable": resets.acceptability.verdict,
        "receiver_open": resets.receiver_open,
        "ended_subflow": resets.ended_subflow,
        "ended_connection": resets.ended_connection,
        "mptcp_reason": np.ma.MaskedArray(packets.mp_tcprst.first("reason", row), ~has_reason),
        "cause": list(resets.cause),
        "churn": [each and each.event.event.removeprefix("server-") for each in churn],
        "churn_server": [each and each.event.whom for each in churn],
        "churn_t_s": [each and each.event.t_s for each in churn],
        "churn_evidence": [each and each.evidence for each in churn],
        "moved_from": [name if stray else None for name, stray in zip(own_servers, is_stray, strict=True)],
        "moved_to": [each.name if stray else None for each, stray in zip(resets.sender, is_stray, strict=True)],
    }
    return TABLES["resets"].of_columns(columns)
