"""What a middlebox between a client and everybody else does to TCP's timestamps (RFC 7323)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Middlebox = Literal["offset", "offset-and-back", "timestamps-last"]
"""The kinds that there are."""

IN_WORDS: Mapping[Middlebox, str] = {
    "offset": "adds an offset of each flow's own to the timestamps that come to the client (TSval)",
    "offset-and-back": "adds an offset of each flow's own to the timestamps that come to the client (TSval), and takes "
    "it off the client's echoes (TSecr)",
    "timestamps-last": "puts the client's timestamps behind its other TCP options",
}
"""What each of them does."""
