"""Columns that several tables have, and words that the meanings of columns share."""

from __future__ import annotations

from analysis.tables.schema import Field

POINT = Field("point", "text", "the point's identifier; for captures that are no point, a name made of the files'")
SINCE_START = "since the workload's start (captures that are no point: since the first packet)"
PATHS = (
    "`director`, `past` (past the director) or `unknown`, as the point says of direction, interface and address; where "
    "it says nothing, by the server's address: the service address, a unique address, neither"
)
CONNECTION = Field("connection", "integer", "number of the connection within the point, in order of opening, from 0")
SUBFLOW = Field("subflow", "integer", "number of the subflow within its connection, in order of opening, from 0")
EVIDENCE = (
    "how sure that is: `address` (a server's own address), `connection` (the MPTCP connection's server announced it), "
    "`capture` (captured at that server; a RST without a name: at none, so that a director sent it), `only` (no other "
    "was in the pool), `counter` (only its count of sent RSTs rose then), `pool` (one of several; none is named)"
)
