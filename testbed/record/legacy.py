"""Points from before they had traits: what the analysis must know of them follows from their scenario's name.

Nothing else of the analysis knows these names; a point that a newer toolkit has planned says it all by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from testbed.base.traits import Bottleneck, Traits

_ANYCAST = "anycast"
_LIMIT_NOTE = "Limit of MPTCP: the direct path alone. What a page still gets through the director comes on top of it."
_NO_PATH_NOTE = "Limit of a variant whose servers announce no address: the path through the director."


def traits_of(scenario: str, protocol: str, parameters: Mapping[str, object]) -> Traits:
    """The traits of a point without any."""

    def number(name: str) -> float:
        value = parameters.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0

    servers, mptcp = max(1, int(number("servers"))), protocol == "mptcp"
    losses = [number(name) for name in parameters if name.endswith("_loss")]
    common = {"servers": servers, "delivery_share": math.prod((1 - loss) ** 2 for loss in losses)}
    if scenario == _ANYCAST:
        links = Bottleneck(
            name="servers' links",
            interfaces=("-eth0",),
            rate_bps=number("client_rate_bps"),
            parallel=servers,
            per_server_bps=number("server_rate_bps"),
            lasting=mptcp,
        )
        return Traits.model_validate(
            {
                **common,
                "service_path": "anycast address",
                "ends_by": "time",
                "planned_s": number("duration_s") or None,
                "bottlenecks": (links,),
                "per_second": True,
            }
        )
    through = min(number("client_director_rate_bps"), servers * number("server_rate_bps"))
    note = _NO_PATH_NOTE if parameters.get("add_addr") is False else _LIMIT_NOTE
    return Traits.model_validate(
        {
            **common,
            "sender": "client" if parameters.get("direction") == "upload" else "server",
            "bottlenecks": (
                Bottleneck(name="link to the director", interfaces=("-eth0",), rate_bps=through),
                Bottleneck(name="direct link", interfaces=("-eth1",), rate_bps=number("direct_rate_bps")),
            ),
            "limit_note": note if mptcp else "",
        }
    )


def of_a_row(scenario: str | None) -> tuple[str, str | None]:
    """What a row of the table of points says now (`service_path`, `ends_by`) and did not when it had no traits."""
    if scenario == "capture" or not scenario:
        return "service address", None
    traits = traits_of(scenario, "tcp", {})
    return traits.service_path, traits.ends_by
