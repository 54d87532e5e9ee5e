"""What cannot be in the families of addresses that a topology has, whatever each part says for itself."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.schema import Settings
from testbed.base.parts import Complaint


def complaints(settings: Settings) -> Iterator[Complaint]:
    """What is wrong with the topology's families."""
    families, director = settings.topology.families, settings.director
    if families.service not in director.families:
        what = f"the director {director.part!r} spreads {_named(*sorted(director.families))} addresses only"
        yield Complaint("family", f"{what}, and the service has one of {_named(families.service)}")
    if families.service != families.unique and settings.mptcp.client_endpoint == "fullmesh":
        ends = f"which is {_named(families.service)}, and they are {_named(families.unique)}"
        yield Complaint("family", f"client_endpoint 'fullmesh' joins unique addresses from the client's second, {ends}")


def _named(*families: str) -> str:
    return " and ".join(each.replace("ipv", "IPv") for each in families)
