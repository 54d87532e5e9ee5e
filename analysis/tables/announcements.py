"""The table of address announcements: every ADD_ADDR option and every echo (RFC 8684 section 3.4.1)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from analysis.flows.grouping import came_before
from analysis.flows.observation import Observation
from analysis.flows.subflows import TO_CLIENT
from analysis.pcap.addresses import texts
from analysis.tables import TABLES


def tabulate_announcements(observed: Observation) -> pa.Table:
    """The table `announcements`, in order of connection and time."""
    packets, uniflow = observed.packets, observed.subflows.uniflow
    options = packets.add_addr
    connection, subflow, _ = observed.numbers
    of_option = uniflow[options.packet]
    found = np.flatnonzero((of_option >= 0) & (connection[of_option >> 1] >= 0))
    found = found[np.lexsort((packets.time_ns[options.packet[found]], connection[of_option[found] >> 1]))]
    flow, from_server = of_option[found] >> 1, of_option[found] % 2 == TO_CLIENT
    row, echo = options.packet[found], options.echo[found]
    # An address is announced by a connection, on whichever subflow; an echo goes the other way.
    key = (connection[flow] * 2 + from_server) * 512 + echo * 256 + options.address_id[found]
    columns = {
        "point": [observed.point] * len(found),
        "connection": connection[flow],
        "subflow": subflow[flow],
        "t_s": observed.seconds(row),
        "sender": np.where(from_server, "server", "client"),
        "kind": np.select([echo, came_before(key)], ["echo", "repeat"], "announcement"),
        "address_id": options.address_id[found].astype(np.int64),
        "address": texts(options.address[found], options.ip_version[found], packets.ipv6),
        "port": np.ma.MaskedArray(options.port[found].astype(np.int64), options.port[found] == 0),
    }
    return TABLES["announcements"].of_columns(columns)
