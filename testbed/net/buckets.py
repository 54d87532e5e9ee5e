"""Which server each bucket of a hash goes to: what a balancer without any memory of connections has instead of one.

Rendezvous hashing: D. Thaler and C. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM
Transactions on Networking 6(1), 1998.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def assign(count: int, servers: Sequence[str]) -> dict[int, str]:
    """The server of each bucket, from 0, that a pool has, of which there is at least one server.

    With a `count` of 0 there are as many buckets as servers, in their order. When one leaves, flows of others move as
    well: nft scales its hash to their number, which is the algorithm of RFC 2992. Else each bucket is that server's who
    scores highest there, whoever else is in the pool: only the buckets of the one that leaves, or comes, change hands.
    """
    if not count:
        return dict(enumerate(servers))
    return {bucket: max(servers, key=lambda server: _score(bucket, server)) for bucket in range(count)}


def complaint(count: int, servers: int) -> str:
    """What is wrong with so many buckets for so many servers; an empty text: nothing."""
    if count >= servers:
        return ""
    return f"there are {count} for {servers} servers: some would get nothing"


def _score(bucket: int, server: str) -> bytes:
    return hashlib.blake2b(f"{bucket} {server}".encode(), digest_size=8).digest()
