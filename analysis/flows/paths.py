"""By which path a packet came: by its direction, the client's interface, and the kind of its server's address.

Enters: a point's paths (`testbed.base.traits.Path`) and the names of the interfaces. Leaves: a code per packet. The
address alone would not do: a server may answer past its director, and have the service address all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.pcap.columns import U8, U16, Bools, Rows
from testbed.base.traits import Path

UNKNOWN_PATH, VIA_DIRECTOR, PAST_DIRECTOR = 0, 1, 2
"""Paths of packets: none of the point's, through the director, past it."""

UNLISTED, SERVICE, UNIQUE = 0, 1, 2
"""What a server-side address is: none of ours, the service address, a server's unique address."""

_KINDS, _DIRECTIONS = {"service": SERVICE, "unique": UNIQUE}, {"to-client": 0, "to-server": 1}

PathTable = NDArray[np.uint8]
"""Paths by kind of address, direction (0: to the client) and number of the interface."""


def path_table(paths: Sequence[Path] = (), interfaces: Sequence[str] = ()) -> PathTable:
    """The paths at interfaces of these names; without `paths`, the address alone tells them."""
    table = np.zeros((3, 2, max(len(interfaces), 1)), np.uint8)
    if not paths:
        table[SERVICE], table[UNIQUE] = VIA_DIRECTOR, PAST_DIRECTOR
    for each in paths:
        at = [not each.interfaces or name.endswith(each.interfaces) for name in interfaces]
        code = PAST_DIRECTOR if each.past_director else VIA_DIRECTOR
        table[_KINDS[each.address], _DIRECTIONS[each.direction], : len(interfaces)][at] = code
    return table


def paths_of_packets(table: PathTable, kind: U8, flow: Rows, from_client: Bools, interface: U16) -> U8:
    """The path of each packet; `kind` is that of each flow's server address."""
    if (table == table[:, :1, :1]).all():
        by_flow: NDArray[Any] = table[kind, 0, 0][flow]
        return by_flow
    interfaces = table.shape[2]
    if (table == table[:, :1]).all():
        first = (kind.astype(np.int64) * 2 * interfaces)[flow]
    else:
        first = (kind.astype(np.int64) * 2)[flow]
        first += from_client
        first *= interfaces
    first += interface
    found: U8 = table.reshape(-1)[first]
    return found
