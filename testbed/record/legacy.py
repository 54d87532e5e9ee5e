"""Points of the formats before: they had a scenario where today's have parts, and at first no traits.

Nothing else of the analysis knows these names; a point that a newer toolkit has planned says it all by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from testbed.base.traits import Bottleneck, Path, Traits

VERSION = 1
"""Of the format before."""

_LOAD_BALANCER, _ANYCAST = "load-balancer", "anycast"
_PARTS = {
    _LOAD_BALANCER: {
        "topology": "load-balancer",
        "director": "ipvs-nat",
        "workload": "page-loads",
        "timetable": "none",
        "protection": "none",
    },
    _ANYCAST: {
        "topology": "anycast",
        "director": "ecmp",
        "workload": "long-downloads",
        "timetable": "rotation",
        "protection": "none",
    },
}
_LINKS = {"client_director": "client_director", "direct": "direct", "server": "director_server"}
# What a point's parameters are called otherwise today, scenario by scenario.
_RENAMED = {
    _LOAD_BALANCER: {f"server_{each}": f"director_server_{each}" for each in ("rate_bps", "delay_s", "loss")},
    _ANYCAST: {},
}
# Keys of [mptcp], which stood among a point's parameters.
_MPTCP = (
    "add_addr", "add_addr_timeout_s", "deny_join", "initial_backup", "path_manager", "repeat_announce_s", "subflows",
    "add_addr_accepted", "client_endpoint", "lb_mode", "enforce_deny_join",
)  # fmt: skip
_LIMIT_NOTE = "Limit of MPTCP: the direct path alone. What a page still gets through the director comes on top of it."
_NO_PATH_NOTE = "Limit of a variant whose servers announce no address: the path through the director."


def names_of(scenario: str) -> dict[str, str]:
    """The names of the parts that a scenario stands for; none for one that there never was."""
    return dict(_PARTS.get(scenario, {}))


def point_of_today(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a point of the format before as one of today's; raises ValueError."""
    scenario, given = raw.get("scenario"), raw.get("parameters")
    if not isinstance(scenario, str) or scenario not in _PARTS:
        raise ValueError(f"'scenario' is {str(scenario)[:60]!r}, none of {', '.join(_PARTS)}")
    if not isinstance(given, Mapping):
        raise ValueError("'parameters' is no JSON object")
    tables = _anycast(given, raw) if scenario == _ANYCAST else _load_balancer(given, raw)
    own = ("scenario", "parameters", "version")
    document = {"variant": "", "condition": "", "wire_limit_bps": None} | {
        name: value for name, value in raw.items() if name not in own
    }
    names = _PARTS[scenario] | ({} if given.get("cycle_s") else {"timetable": "none"})
    found = document | {
        "version": VERSION + 1,
        "parts": {
            kind: {"name": name, "settings": tables[kind][0], "parameters": tables[kind][1]}
            for kind, name in names.items()
        },
        "mptcp": {name: given[name] for name in _MPTCP if name in given}
        | ({"add_addr_resend_interval_s": given["add_addr_resend_ms"] / 1000} if _resends(given) else {}),
        "sysctl": given.get("sysctl", {}),
        "sysctl_of": given.get("sysctl_of", {}),
        "traits": raw.get("traits")
        or traits_of(scenario, str(raw.get("protocol")), given).model_dump(mode="json", exclude_unset=True),
    }
    if given.get("drop_packet", "none") != "none":
        found["drop"] = {"packet": given["drop_packet"], "occurrence": given.get("drop_occurrence", 1)}
    return found


def _resends(given: Mapping[str, Any]) -> bool:
    value = given.get("add_addr_resend_ms")
    return isinstance(value, int | float) and not isinstance(value, bool)


_Tables = dict[str, tuple[dict[str, Any], dict[str, Any]]]


def _load_balancer(given: Mapping[str, Any], raw: Mapping[str, Any]) -> _Tables:
    topology: dict[str, Any] = {"servers": given.get("servers", 1)}
    flat = dict(topology)
    for old, name in _LINKS.items():
        quantities = ("rate_bps", "delay_s", "loss")
        topology[name] = {each: given[f"{old}_{each}"] for each in quantities if f"{old}_{each}" in given}
        flat |= {f"{name}_{each}": value for each, value in topology[name].items()}
    workload = {name: given[name] for name in ("direction", "concurrency", "requests") if name in given}
    sizes = {"sizes_bytes": [raw.get("object_bytes")]}
    return {
        "topology": (topology, flat),
        "director": ({}, {}),
        "workload": (sizes | workload, workload),
        "timetable": ({}, {}),
        "protection": ({}, {}),
    }


def _anycast(given: Mapping[str, Any], raw: Mapping[str, Any]) -> _Tables:
    topology = {name: given[name] for name in ("servers", "client_rate_bps", "server_rate_bps") if name in given}
    workload = {name: given[name] for name in ("concurrency", "duration_s") if name in given}
    # What there was not is off.
    size = {"size_bytes": raw.get("object_bytes"), "large_reads": False}
    churn = {name: given[name] for name in ("cycle_s", "up_s") if given.get(name)}
    return {
        "topology": (topology, topology),
        "director": ({}, {}),
        "workload": (size | workload, workload),
        "timetable": (churn, churn),
        "protection": ({}, {}),
    }


def summary_of_today(raw: object) -> object:
    """What `summary.json` says of a point, as today's says it; what is wrong with it, its reader finds."""
    if not isinstance(raw, Mapping) or "scenario" not in raw:
        return raw
    scenario, given = raw["scenario"], raw.get("parameters")
    found = {name: value for name, value in raw.items() if name != "scenario"}
    # A point whose point.json could not be read has no scenario either.
    if not isinstance(scenario, str) or scenario not in _PARTS or not isinstance(given, Mapping):
        return found
    found["parts"] = names_of(scenario)
    found["parameters"] = {_RENAMED[scenario].get(name, name): value for name, value in given.items()}
    if "traits" not in raw:
        found["traits"] = traits_of(scenario, str(raw.get("protocol")), given).model_dump(mode="json")
    return found


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
            "paths": _paths(),
            "sender": "client" if parameters.get("direction") == "upload" else "server",
            "bottlenecks": (
                Bottleneck(name="link to the director", interfaces=("-eth0",), rate_bps=through),
                Bottleneck(name="direct link", interfaces=("-eth1",), rate_bps=number("direct_rate_bps")),
            ),
            "limit_note": note if mptcp else "",
        }
    )


def with_all_traits(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a point of today's with the traits that at first points did not have."""
    traits = raw.get("traits")
    if not isinstance(traits, Mapping):
        return dict(raw)
    topology, workload = (_table(raw.get("parts"), kind) for kind in ("topology", "workload"))
    requests = _table(workload, "parameters").get("requests")
    joins_are_the_result = (raw.get("variant") and not raw.get("scheme")) or raw.get("drop")
    fullmesh = raw.get("protocol") == "mptcp" and _table(raw, "mptcp").get("client_endpoint") == "fullmesh"
    said = {
        "paths": [each.model_dump(mode="json") for each in _paths(fullmesh=fullmesh)]
        if topology.get("name") == _LOAD_BALANCER
        else [],
        "requests": requests if isinstance(requests, int) and requests > 0 else None,
        "must_join": raw.get("protocol") == "mptcp" and not joins_are_the_result,
    }
    return {**raw, "traits": {**said, **traits}}


def _table(raw: object, name: str) -> Mapping[str, Any]:
    found = raw.get(name) if isinstance(raw, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _paths(*, fullmesh: bool = False) -> tuple[Path, ...]:
    """Where packets of the load balancer go; elsewhere the server's address tells it."""
    through = Path(name="director", direction="to-server", address="service", interfaces=("-eth0",))
    past = Path(
        name="past the director", direction="to-server", address="unique", interfaces=("-eth1",), past_director=True
    )
    back = {"direction": "to-client"}
    found = (through, through.model_copy(update=back), past, past.model_copy(update=back))
    answers = through.model_copy(update={**back, "address": "unique"})
    return (*found, answers) if fullmesh else found


def of_a_row(scenario: str | None) -> dict[str, str | None]:
    """What a row of the table of points says now (`service_path`, `ends_by`) and did not when it had no traits."""
    if scenario == "capture" or not scenario:
        return {"service_path": "service address", "ends_by": None}
    traits = traits_of(scenario, "tcp", {})
    return {"service_path": traits.service_path, "ends_by": traits.ends_by}
