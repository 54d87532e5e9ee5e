"""What points need of the lab that they run in, told before they start (`testbed.base.needs`).

`python -m experiments.needs` prints the Debian packages that our parts need: set-up installs them.
"""

from __future__ import annotations

import sys
from collections.abc import Collection

from experiments import measurement, stage
from experiments.composition import REGISTRIES, mptcp_of, parts_of
from testbed.base.errors import UsageError
from testbed.base.needs import Need, of_part, packages, sysctl
from testbed.directors.base import DIRECTORS, Director
from testbed.net import fault_injection, loss_injection, mptcp, routing, timestamps
from testbed.record.point import Point
from testbed.tools import kernel_trace


def of_point(point: Point) -> frozenset[Need]:
    """All without which the point cannot run as it is meant.

    Raises what `parts_of` does, and `UsageError` for what goes wrong in a user's own part.
    """
    parts = parts_of(point)
    families = parts.topology.families
    found = {*stage.NEEDS, *measurement.NEEDS}
    for kind, part in parts.by_kind().items():
        name = f"{kind} {point.parts[kind].name}"
        with parts.explained():
            needs = part.features()
        found |= of_part(name, _checked(name, needs))
        if isinstance(part, Director) and families.service == "ipv6":
            found |= of_part(name, part.ipv6_needs)
    own = {*point.sysctl, *(name for values in point.sysctl_of.values() for name in values)}
    found |= {sysctl(name, purpose="set by [sysctl]") for name in own}
    if parts.topology.layout().front:
        hashes = routing.HASH_IPV6 if families.service == "ipv6" else frozenset[Need]()
        found |= of_part("topology", {routing.MULTIPATH, *routing.HASH, *hashes})
    if parts.topology.middlebox:
        found |= of_part("topology", timestamps.NEEDS)
    if point.trace and point.trace.events:
        found.add(kernel_trace.NEED)
    if point.drop:
        found |= loss_injection.NEEDS
    if point.protocol == "mptcp":
        found |= {_of_scheme(need, point.scheme) for need in mptcp.needs_of(mptcp_of(point))}
        found |= {mptcp.OVER_IPV6} if "ipv6" in families.every else set()
        if parts.director.carries_joins and families.service == "ipv6":
            found |= of_part(f"director {parts.director.part}", {mptcp.PORT_OVER_IPV6})
    return frozenset(found)


def _of_scheme(need: Need, scheme: str) -> Need:
    """The need, as that of the scheme if it is why our patches are needed."""
    if not scheme or need not in mptcp.PATCHED_NEEDS:
        return need
    changes = {"purpose": f"scheme {scheme}: {need.purpose}", "cure": f"{need.cure}, or --scheme upstream"}
    return need.model_copy(update=changes)


def _checked(name: str, needs: object) -> Collection[Need]:
    """What a part, which may be a user's own, says that it needs."""
    each = needs if isinstance(needs, Collection) and not isinstance(needs, str) else [needs]
    found = [need for need in each if isinstance(need, Need)]
    if len(found) != len(each):
        strange = next(need for need in each if not isinstance(need, Need))
        what = f"{name}: among its needs is {strange!r}, which is no Need"
        raise UsageError(what, hint="they are a frozenset of testbed.base.needs.Need")
    return found


def every() -> frozenset[Need]:
    """All that points of our parts can need: what doctor and set-up see to."""
    ours = (found.part.needs for registry in REGISTRIES.values() for found in registry.all_ours())
    of_mptcp = {*mptcp.NEEDS, mptcp.OVER_IPV6, *mptcp.PATCHED_NEEDS}
    over_ipv6 = (found.part.ipv6_needs for found in DIRECTORS.all_ours())
    of_faults = fault_injection.NEEDS | loss_injection.NEEDS
    return stage.NEEDS.union(measurement.NEEDS, of_faults, {kernel_trace.NEED}, of_mptcp, *ours, *over_ipv6)


def main() -> None:
    """Print the packages, one a line."""
    sys.stdout.write("".join(f"{name}\n" for name in packages(every())))


if __name__ == "__main__":
    main()
