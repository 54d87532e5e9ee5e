"""What captures do not tell about the connections in them, counted and named, so that a table is not believed too much.

Enters: an observation of captures that are no point. Leaves: lines of text; those of `losses` make a capture not whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from analysis.flows.mptcp_options import KNOWN_VERSIONS
from analysis.flows.observation import Observation
from analysis.flows.sequence import TO_CLIENT, TO_SERVER
from analysis.flows.uncaptured import uncaptured_bytes
from analysis.pcap import Option
from analysis.pcap.columns import Rows

_MOST_KINDS = 3


def limitations(observed: Observation) -> list[str]:
    """A line on each thing that the captures leave open."""
    kinds = (_outsiders, _one_way, _uncounted, _headless, _joins, _options)
    return [line for kind in kinds for line in kind(observed)]


def losses(observed: Observation) -> list[str]:
    """A line on each direction of which bytes are missing that the captures show to have come: they are not whole."""
    connection, _, _ = observed.numbers
    flows = observed.traffic.flows
    missing = uncaptured_bytes(observed.packets, observed.subflows.every, 2 * len(flows)).reshape(-1, 2)
    lines = []
    for column, end in ((TO_CLIENT, "client"), (TO_SERVER, "server")):
        lacks = np.flatnonzero(missing[:, column] > 0)
        if len(lacks):
            where = "in the captures that count" if (flows.places[lacks] > 1).any() else "in the capture"
            lines.append(
                f"{missing[lacks, column].sum()} bytes to the {end} were acknowledged and are not {where} "
                f"(in {_number(len(np.unique(connection[lacks])), 'connection')})"
            )
    return lines


def _outsiders(observed: Observation) -> Iterator[str]:
    sides = observed.traffic.sides
    others = np.flatnonzero((sides.flow >= 0) & ~(sides.to_client | sides.from_client))
    if len(others):
        flows = len(np.unique(sides.flow[others]))
        yield f"{_number(flows, 'TCP flow')} of others than the clients left out: {_number(len(others), 'packet')}"


def _one_way(observed: Observation) -> Iterator[str]:
    """Flows of which one direction is missing, though what the other end sent has been acknowledged."""
    subflows = observed.subflows
    to_client, to_server = subflows.packets[:, 0], subflows.packets[:, 1]
    answered = (to_client == 0) & subflows.acknowledged
    missing = [np.count_nonzero(answered), np.count_nonzero((to_server == 0) & (to_client > 0))]
    for count, end in zip(missing, ("server", "client"), strict=True):
        if count:
            yield f"{_number(int(count), 'subflow')} captured in one direction only: nothing of what the {end} sent"


def _uncounted(observed: Observation) -> Iterator[str]:
    missing = observed.traffic.flows.uncounted
    if missing.any():
        yield (
            f"{_number(int(np.count_nonzero(missing)), 'subflow')} captured at another place with payload that the one "
            f"which counts has not: {missing.sum()} bytes there are not counted"
        )


def _headless(observed: Observation) -> Iterator[str]:
    flows, uniflow = observed.traffic.flows, observed.subflows.uniflow
    speaks = np.flatnonzero(((observed.packets.options & Option.ANY_MPTCP) != 0) & (uniflow >= 0))
    found = np.zeros(len(flows), np.bool_)
    found[uniflow[speaks] >> 1] = True
    count = int(np.count_nonzero(found & ~flows.has_syn & ~flows.is_join & (flows.connection < 0)))
    if count:
        yield (
            f"{_number(count, 'subflow')} of MPTCP without its handshake: which belong to one connection is not known, "
            "each is shown as one"
        )


def _joins(observed: Observation) -> Iterator[str]:
    flows = observed.traffic.flows
    initial = observed.traffic.connection_flow
    answer: Rows = flows.answer[initial]
    versions = observed.packets.mp_capable.first("version", answer[answer >= 0])
    for version in sorted(set(versions.tolist()) - set(KNOWN_VERSIONS)):
        count = int(np.count_nonzero(versions == version))
        yield f"{_number(count, 'connection')} of MPTCP version {version}, which is not known: joins are not told apart"
    client = observed.subflows.packets.sum(axis=1) > 0
    lost = int(np.count_nonzero(flows.is_join & (flows.connection < 0) & client))
    if lost:
        yield f"{_number(lost, 'join')} to connections whose keys were not captured: each is shown as a connection"


def _options(observed: Observation) -> Iterator[str]:
    table = observed.packets.other_mptcp
    if len(table):
        kinds = Counter(zip(table.subtype.tolist(), table.length.tolist(), strict=True))
        most = kinds.most_common(_MOST_KINDS)
        named = [f"subtype {subtype} of {size} bytes: {count}" for (subtype, size), count in most]
        more = f", {len(kinds) - _MOST_KINDS} other forms" if len(kinds) > _MOST_KINDS else ""
        yield f"{_number(len(table), 'MPTCP option')} of unknown form passed over ({'; '.join(named)}{more})"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
