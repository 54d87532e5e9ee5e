"""The table of subflows: one row per flow of the client, in order of connection and opening."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.flows.observation import Observation, path_names, place_names, tunnel_names
from analysis.flows.resets import NEVER
from analysis.flows.subflows import TO_CLIENT, TO_SERVER
from analysis.pcap.addresses import texts
from analysis.pcap.columns import Bools, Rows
from analysis.tables import TABLES


def tabulate_subflows(observed: Observation) -> pa.Table:
    """The table `subflows`."""
    packets, flows, subflows = observed.packets, observed.traffic.flows, observed.subflows
    connection, number, _ = observed.numbers
    rows = np.flatnonzero(connection >= 0)
    rows = rows[np.lexsort((number[rows], connection[rows]))]
    by_client = flows.by_client
    kind = np.select([~flows.has_syn, flows.is_join, flows.connection >= 0], ["midstream", "join", "initial"], "tcp")
    offered = flows.has_syn & (packets.mp_capable.first("length", flows.opening) > 0)
    accepted = np.where(flows.is_join | offered, flows.is_mptcp, True) & flows.answered
    ids = (subflows.opener_address_id, subflows.other_address_id)
    end, end_by, end_row = _subflow_ends(observed)
    option = subflows.add_addr_option
    add_addr: list[str | None] = [None] * len(flows)
    announced = np.flatnonzero(option >= 0)
    named = texts(
        packets.add_addr.address[option[announced]], packets.add_addr.ip_version[option[announced]], packets.ipv6
    )
    for flow, text in zip(announced.tolist(), named, strict=True):
        add_addr[flow] = text
    paths = observed.traffic.sides.path[subflows.first_row] if len(packets) else np.zeros((0, 2), np.uint8)
    # Where one direction alone was captured, or has all the payload, it is that one's.
    main = np.where(_more(subflows.payload) == 0, _more(subflows.packets.clip(max=1)), _more(subflows.payload))
    main = np.where(main < 0, TO_SERVER, TO_CLIENT)
    backup_uniflow = subflows.uniflow[subflows.backup_row] if len(packets) else np.zeros(0, np.int64)
    backup_by = np.where(backup_uniflow % 2 == TO_CLIENT, "server", "client")
    columns: dict[str, Any] = {
        "point": [observed.point] * len(rows),
        "connection": connection,
        "subflow": number,
        "kind": kind,
        "path": path_names(paths[np.arange(len(flows)), main]),
        "path_to_client": _optional(path_names(paths[:, TO_CLIENT]), subflows.first_row[:, TO_CLIENT] >= 0),
        "path_to_server": _optional(path_names(paths[:, TO_SERVER]), subflows.first_row[:, TO_SERVER] >= 0),
        "server": [each.name for each in observed.servers],
        "server_evidence": [each.evidence for each in observed.servers],
        "opened_by": np.where(by_client, "client", "server"),
        "client_address": observed.address_texts(flows.client_address),
        "client_port": flows.client_port,
        "server_address": observed.address_texts(flows.server_address),
        "server_port": flows.server_port,
        "client_address_id": np.ma.MaskedArray(np.where(by_client, *ids), ~flows.is_join),
        "server_address_id": np.ma.MaskedArray(np.where(by_client, *ids[::-1]), ~flows.is_join),
        "interface": place_names(packets, flows.opening),
        "tunnel": tunnel_names(packets.tunnel[flows.opening]),
        "points_seen": flows.places,
        "syn_s": observed.seconds(np.where(flows.has_syn, flows.opening, -1)),
        "syns": subflows.syns,
        "syn_ack_s": observed.seconds(flows.answer),
        "established_s": observed.seconds(subflows.established_row),
        "joined_s": observed.seconds(subflows.joined_row),
        "confirmed_s": observed.seconds(subflows.confirmed_row),
        "accepted": np.ma.MaskedArray(accepted, ~flows.has_syn),
        "backup_in_syn": np.ma.MaskedArray(subflows.backup_in_syn, ~flows.is_join),
        "backup_s": observed.seconds(subflows.backup_row),
        "backup_by": _optional(backup_by, subflows.backup_row >= 0),
        "add_addr_sent": subflows.add_addr_sent,
        "add_addr_repeated": subflows.add_addr_repeated,
        "add_addr_echoed": subflows.add_addr_echoed,
        "add_addr_s": observed.seconds(subflows.add_addr_row),
        "add_addr_echo_s": observed.seconds(subflows.add_addr_echo_row),
        "add_addr_address": add_addr,
        "fin_by_client_s": observed.seconds(subflows.fin_row[:, TO_SERVER]),
        "fin_by_server_s": observed.seconds(subflows.fin_row[:, TO_CLIENT]),
        "resets_by_client": subflows.resets[:, TO_SERVER],
        "resets_by_server": subflows.resets[:, TO_CLIENT],
        "end": end,
        "end_by": end_by,
        "end_s": observed.seconds(end_row),
    }
    for direction, name in enumerate(("client", "server")):
        columns |= {
            f"first_data_to_{name}_s": observed.seconds(subflows.first_data_row[:, direction]),
            f"last_data_to_{name}_s": observed.seconds(subflows.last_data_row[:, direction]),
            f"packets_to_{name}": subflows.packets[:, direction],
            f"bytes_to_{name}": subflows.payload[:, direction],
            f"distinct_to_{name}": subflows.distinct[:, direction],
            f"retransmitted_to_{name}": subflows.repeated[:, direction],
        }
    return _table("subflows", columns, rows)


def _subflow_ends(observed: Observation) -> tuple[NDArray[np.str_], list[str | None], Rows]:
    """How each flow ended, by whom, and the row of that."""
    flows, subflows, resets = observed.traffic.flows, observed.subflows, observed.resets
    fins = subflows.fin_row
    was_reset, closed = resets.ended_row != NEVER, resets.closed_row != NEVER
    reset_row = np.where(was_reset, resets.ended_row, -1)
    unanswered = flows.has_syn & ~flows.answered & ~subflows.acknowledged
    before_answer = (unanswered | (flows.has_syn & flows.answered & (flows.answer >= resets.ended_row))) & was_reset
    end = np.select(
        [before_answer, was_reset, closed, (fins >= 0).any(axis=1), unanswered],
        ["refused", "reset", "closed", "half-closed", "unanswered"],
        "open",
    )
    last = np.where(was_reset, reset_row, np.where(closed, np.minimum(resets.closed_row, 1 << 62), -1))
    first_fin = np.where(
        (fins[:, TO_SERVER] >= 0) & ((fins[:, TO_CLIENT] < 0) | (fins[:, TO_SERVER] < fins[:, TO_CLIENT])), 0, 1
    )
    by_reset = subflows.uniflow[reset_row] % 2 == TO_CLIENT if len(subflows.uniflow) else np.zeros(0, np.bool_)
    by = np.where(was_reset, np.where(by_reset, "server", "client"), np.where(first_fin == 0, "client", "server"))
    return end, _optional(by, was_reset | closed), last


def _table(name: str, columns: Mapping[str, Any], rows: Rows) -> pa.Table:
    """A table of these rows of columns that have one element per flow (the column `point` is there already)."""
    chosen = {
        key: values
        if key == "point"
        else values[rows]
        if isinstance(values, np.ndarray)
        else [values[row] for row in rows]
        for key, values in columns.items()
    }
    return TABLES[name].of_columns(chosen)


def _more(of_directions: NDArray[np.int64]) -> NDArray[np.int64]:
    """By how much the direction to the client has more than the other one."""
    return of_directions[:, TO_CLIENT] - of_directions[:, TO_SERVER]


def _optional(values: Any, which: Bools) -> list[str | None]:
    return [value if there else None for value, there in zip(np.asarray(values).tolist(), which.tolist(), strict=True)]
