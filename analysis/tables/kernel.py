"""The tables of what the kernel said of itself, from a trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.kernel_resets import agrees, endpoint, kernel_resets
from analysis.flows.observation import Observation
from analysis.tables import TABLES
from testbed.record.trace import TraceEvent

_NO_THRESHOLD = 0x7FFFFFFF
_MASK = 0xFFFFFFFF
_AS_SAID = ("src", "sport", "dst", "dport", "state", "answers", "reason")
_SCHEDULER, _ACKNOWLEDGED = "mptcp_subflow_get_send", "ack_update_msk"
_OF_MPTCP = frozenset(
    {_SCHEDULER, "mptcp_sendmsg_frag", "get_mapping_status", _ACKNOWLEDGED, "subflow_check_data_avail"}
)


def tabulate_kernel(events: Sequence[TraceEvent], observed: Observation) -> dict[str, pa.Table]:
    """The tables whose names begin with `kernel_`."""
    sockets = _Sockets(observed)
    return {
        "kernel_resets": _resets(events, observed),
        "kernel_retransmissions": TABLES["kernel_retransmissions"].of_rows(
            _retransmission(each, observed, sockets) for each in events if each.name == "tcp_retransmit_skb"
        ),
        "kernel_probes": TABLES["kernel_probes"].of_rows(
            _probe(each, observed, sockets) for each in events if each.name == "tcp_probe"
        ),
        "kernel_mptcp": TABLES["kernel_mptcp"].of_rows(
            _mptcp(each, observed) for each in events if each.name in _OF_MPTCP
        ),
    }


class _Sockets:
    """Of which subflow a socket is, by the client's address and port, and the time: a port may be used again."""

    def __init__(self, observed: Observation) -> None:
        flows = observed.traffic.flows
        self._connection, self._subflow, _ = observed.numbers
        self._opened: dict[tuple[str, int], list[tuple[int, int]]] = {}
        texts = observed.address_texts(flows.client_address)
        for flow, (address, port, opened) in enumerate(
            zip(texts, flows.client_port.tolist(), flows.opened_ns.tolist(), strict=True)
        ):
            if self._connection[flow] >= 0:
                self._opened.setdefault((address, port), []).append((opened, flow))
        self._clients = {address for address, _ in self._opened}

    def row(self, src: tuple[str, int], dst: tuple[str, int], time_ns: int | None) -> dict[str, Any]:
        """The columns `connection`, `subflow` and `end` of a socket at `src` whose peer is `dst`."""
        at_client = src in self._opened or (dst not in self._opened and src[0] in self._clients)
        opened = self._opened.get(src if at_client else dst, [])
        # A SYN is captured when it leaves its queue, the socket is older.
        before = [flow for at, flow in opened if time_ns is None or at <= time_ns] or [flow for _, flow in opened[:1]]
        found: dict[str, Any] = {"end": "client" if at_client else "server"}
        if before:
            found |= {"connection": int(self._connection[before[-1]]), "subflow": int(self._subflow[before[-1]])}
        return found


def _at(event: TraceEvent, observed: Observation) -> dict[str, Any]:
    since = None if event.time_ns is None else (event.time_ns - observed.start_ns) / 1e9
    return {"point": observed.point, "t_s": since}


def _resets(events: Sequence[TraceEvent], observed: Observation) -> pa.Table:
    causes, times = observed.resets.cause, observed.packets.time_ns[observed.resets.row]
    rows = []
    for each in kernel_resets(events, observed):
        cause = None if each.number is None else causes[each.number]
        # A RST that was captured has its own time, which is exact.
        at_ns = each.time_ns if each.number is None else int(times[each.number])
        rows.append(
            {
                "point": observed.point,
                "t_s": None if at_ns is None else (at_ns - observed.start_ns) / 1e9,
                **{name: getattr(each, name) for name in _AS_SAID},
                "specific": each.is_specific,
                "reset": each.number,
                "cause": cause,
                "agrees": None if cause is None else agrees(cause, each),
            }
        )
    return TABLES["kernel_resets"].of_rows(rows)


def _retransmission(event: TraceEvent, observed: Observation, sockets: _Sockets) -> dict[str, Any]:
    said = event.said
    six = said.get("family") == "AF_INET6"
    names = ("saddrv6", "daddrv6") if six else ("saddr", "daddr")
    src, dst = (
        endpoint(f"[{said.get(name, '')}]:{said.get(port, '')}")
        for name, port in zip(names, ("sport", "dport"), strict=True)
    )
    state = said.get("state", "").removeprefix("TCP_")
    return {**_at(event, observed), **sockets.row(src, dst, event.time_ns), "state": state}


def _probe(event: TraceEvent, observed: Observation, sockets: _Sockets) -> dict[str, Any]:
    said = event.said
    threshold = _number(said, "ssthresh")
    una, following = _number(said, "snd_una"), _number(said, "snd_nxt")
    return {
        **_at(event, observed),
        **sockets.row(endpoint(said.get("src", "")), endpoint(said.get("dest", "")), event.time_ns),
        "payload_bytes": _number(said, "data_len"),
        "cwnd": _number(said, "snd_cwnd"),
        "ssthresh": threshold if threshold != _NO_THRESHOLD else None,
        "flight_bytes": None if una is None or following is None else (following - una) & _MASK,
        "send_window": _number(said, "snd_wnd"),
        "receive_window": _number(said, "rcv_wnd"),
        "smoothed_s": None if (smoothed := _number(said, "srtt")) is None else smoothed / 1e6,
    }


def _mptcp(event: TraceEvent, observed: Observation) -> dict[str, Any]:
    said, row = event.said, {**_at(event, observed), "event": event.name}
    if event.name == _SCHEDULER:
        row |= {name: said.get(name) == "1" for name in ("active", "free", "backup")}
        return row | {"send_window": _number(said, "snd_wnd"), "pace": _number(said, "pace")}
    if event.name == _ACKNOWLEDGED:
        old, new = _number(said, "old_snd_una"), _number(said, "new_snd_una")
        fresh = None if old is None or new is None else int(np.int64(np.uint64((new - old) % (1 << 64))))
        return row | {"data_ack": said.get("data_ack"), "acknowledged_bytes": fresh}
    if event.name == "subflow_check_data_avail":
        return row | {"status": said.get("mapping_status")}
    used = said.get("use_map") == "1"
    return row | {
        "data_sequence": said.get("data_seq") if used else None,
        "payload_bytes": _number(said, "data_len") if used else None,
        "data_ack": said.get("data_ack") if said.get("use_ack") == "1" else None,
    }


def _number(said: dict[str, str], name: str) -> int | None:
    """A number of the kernel's, decimal or hexadecimal; None where it is none."""
    try:
        return int(said[name], 0)
    except (KeyError, ValueError):
        return None
