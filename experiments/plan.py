"""From the name of an experiment to its list of points.

In: a figure's number, an experiment's name or a file, a profile, seeds and `--set` overrides. Out:
points, each with all the numbers that the agent needs inside a lab. Nothing is run here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from experiments import bounds, sysctls
from experiments.composition import Parts, parts_of
from experiments.cost import estimate, transfer_s, virtual_limit_s, wall_limit_s
from experiments.point import Point
from experiments.profiles import DEFAULT_PROFILE, AnySettings, Experiment, load
from experiments.schema import Settings
from experiments.values import Clock, Protocol
from experiments.variants import Case
from testbed.base.errors import UsageError
from testbed.wire import mptcp_upload_wire_limit_bps, mptcp_wire_limit_bps, tcp_wire_limit_bps

__all__ = [
    "DEFAULT_PROFILE",
    "Experiment",
    "Point",
    "available",
    "estimate",
    "find",
    "load",
    "plan",
    "transfer_s",
    "virtual_limit_s",
    "wall_limit_s",
]

SHIPPED = Path(__file__).parent

_FIGURE = re.compile(r"^(?:fig(?:ure)?)?[\s.-]*0*(\d{1,6})$", re.IGNORECASE)


def available() -> list[str]:
    """The names of the experiments that come with the toolkit, in order."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def find(name: str) -> Path:
    """The file of an experiment given as `7`, `fig7`, `fig07`, `fig07.toml` or as a path.

    A file of that name in the current directory comes first. Raises UsageError with the nearest name.
    """
    path = Path(name)
    if path.suffix == ".toml" and _is_file(path):
        return path
    if len(path.parts) > 1:
        raise UsageError(f"no experiment file {name}")
    stem = path.stem if path.suffix == ".toml" else name
    figure = _FIGURE.match(stem)
    wanted = f"fig{int(figure.group(1)):02}" if figure else stem
    if wanted in available():
        return SHIPPED / f"{wanted}.toml"
    every = f"the experiments are: {', '.join(available())}"
    close = difflib.get_close_matches(wanted, available(), n=1)
    hint = f"did you mean {close[0]!r}?; {every}" if close else every
    raise UsageError(f"no experiment {name!r}", hint=hint)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def plan(
    experiment: Experiment,
    profile: str = DEFAULT_PROFILE,
    seeds: Sequence[int] = (1,),
    overrides: Sequence[str] = (),
    clocks: Sequence[Clock] = ("virtual", "real"),
) -> list[Point]:
    """The points of an experiment, ordered by seed, clock, condition, variant, protocol and object size.

    `clocks` are those that can be had. A point has each clock of the experiment's file that is among them; where
    none is, it has the first of them: what is told in virtual time can also be run in a lab that has real time only.

    The seed comes first so that a run which is interrupted has whole figures. Raises UsageError
    for a profile or an override that does not exist or cannot be, and for a bad list of seeds.
    """
    found = experiment.settings(profile, overrides)
    per_seed = sum(len(settings.protocols) * len(settings.object_sizes) for _, settings in found)
    if len(seeds):
        bounds.check_plan(experiment.scenario, per_seed, seeds)
    if not seeds or min(seeds) < 0 or len(set(seeds)) != len(seeds):
        raise UsageError(f"seeds {list(seeds)}: give at least one, none twice, none below zero")

    def of(settings: AnySettings) -> tuple[Clock, ...]:
        return tuple(clock for clock in settings.clocks if clock in clocks) or (clocks[0],)

    return [
        _point(settings, case, profile, protocol, clock, object_bytes, seed)
        for seed in seeds
        for clock in dict.fromkeys(clock for _, settings in found for clock in of(settings))
        for case, settings in found
        if clock in of(settings)
        for protocol in settings.protocols
        for object_bytes in settings.object_sizes
    ]


def size_label(size_bytes: int) -> str:
    """An object size for an id, exact and without a blank: `10KB`, `10000KB`, `100MB`, `1500B`."""
    if size_bytes % 10**6 == 0 and size_bytes > 10**7:
        return f"{size_bytes // 10**6}MB"
    return f"{size_bytes // 10**3}KB" if size_bytes % 10**3 == 0 else f"{size_bytes}B"


def _point(
    settings: AnySettings, case: Case, profile: str, protocol: Protocol, clock: str, object_bytes: int, seed: int
) -> Point:
    chosen = "".join(f"-{choice.label}" for choice in (case.condition, case.variant) if choice)
    real = "-real" if clock == "real" else ""
    parameters = settings.parameters(object_bytes) | _common_parameters(settings)
    parts = parts_of(settings.scenario, parameters)
    past_director = protocol == "mptcp" and settings.mptcp.add_addr
    return Point.model_validate(
        {
            "id": f"{settings.name}{chosen}-{protocol}-{size_label(object_bytes)}{real}-seed{seed}",
            "experiment": settings.name,
            "figure": settings.figure,
            "title": settings.title,
            "plot": settings.plot,
            "scenario": settings.scenario,
            "variant": case.variant.name if case.variant else "",
            "condition": case.condition.name if case.condition else "",
            "protocol": protocol,
            "object_bytes": object_bytes,
            "seed": seed,
            "profile": profile,
            "clock": clock,
            "parameters": parameters,
            "wire_limit_bps": _wire_limit_bps(parts, protocol, past_director=past_director),
            "traits": parts.traits(mptcp=protocol == "mptcp", past_director=past_director),
        }
    )


def _common_parameters(settings: Settings) -> dict[str, object]:
    mptcp, drop = settings.mptcp, settings.drop
    return {
        "add_addr": mptcp.add_addr,
        "add_addr_timeout_s": int(mptcp.add_addr_timeout_s),
        "deny_join": mptcp.deny_join,
        "initial_backup": mptcp.initial_backup,
        "path_manager": mptcp.path_manager,
        "repeat_announce_s": mptcp.repeat_announce_s,
        "subflows": mptcp.subflows,
        "add_addr_accepted": mptcp.add_addr_accepted,
        "client_endpoint": mptcp.client_endpoint,
        "drop_packet": drop.packet if drop else "none",
        "drop_occurrence": drop.occurrence if drop else 0,
        "add_addr_resend_ms": round(mptcp.add_addr_resend_interval_s * 1000),
        "lb_mode": mptcp.lb_mode,
        "enforce_deny_join": mptcp.enforce_deny_join,
        "sysctl": sysctls.of_hosts(settings),
        # Only where there are some: the points of all other experiments stay the bytes that they were.
        **({"sysctl_of": roles} if (roles := sysctls.of_roles(settings)) else {}),
    }


def _wire_limit_bps(parts: Parts, protocol: Protocol, *, past_director: bool) -> float:
    of_mptcp = mptcp_upload_wire_limit_bps if parts.workload.sender == "client" else mptcp_wire_limit_bps
    limit = tcp_wire_limit_bps if protocol == "tcp" else of_mptcp
    return round(limit(parts.setup.way_rate_bps(past_director=past_director)), 1)
