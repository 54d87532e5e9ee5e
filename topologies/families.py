"""Set-ups whose addresses can be of IPv4, of IPv6, or the service's of one and the servers' own of the other."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from testbed.base.families import Families, Family
from testbed.base.needs import Need, kernel
from topologies.base import Topology

IPV6 = kernel(
    "IPv6",
    "CONFIG_IPV6",
    "CONFIG_IPV6_MULTIPLE_TABLES",
    purpose="addresses of the family",
    probe=(
        ("ip", "-6", "address", "add", "fd00:255::1/64", "dev", "lo", "nodad"),
        ("ip", "-6", "rule", "add", "from", "fd00:255::1", "table", "100"),
    ),
)
"""What addresses of IPv6 need, and a way of their own for packets from one of them."""

_OTHER: dict[Family, Family] = {"ipv4": "ipv6", "ipv6": "ipv4"}


class WithFamilies(Topology):
    """A set-up that says of which families its addresses are."""

    family: Literal["ipv4", "ipv6", "dual"] = Field(
        default="ipv4",
        description="Of which family all addresses are. `dual`: every interface has one of each, the service address "
        "is of one family, and the servers' unique addresses are of the other.",
    )
    service_family: Family | None = Field(
        default=None, description="Of which family the service address is in `dual`: `ipv4` if not said."
    )
    client_sockets: Family | None = Field(
        default=None,
        description="Of which family the client's sockets are where the service is IPv4 in `dual`: `ipv6` if not said, "
        "which speak to it by a v4-mapped address. Plain `ipv4` ones cannot join an IPv6 address: all that they move "
        "goes through the director.",
    )

    @field_validator("service_family")
    @classmethod
    def _is_one_of_two(cls, value: Family | None, info: ValidationInfo) -> Family | None:
        if value is not None and info.data.get("family") != "dual":
            raise ValueError('the family of the service address is its own with family = "dual" only')
        return value

    @field_validator("client_sockets")
    @classmethod
    def _can_be_either(cls, value: Family | None, info: ValidationInfo) -> Family | None:
        if value is not None and (info.data.get("family") != "dual" or info.data.get("service_family") == "ipv6"):
            raise ValueError('the client has a choice with family = "dual" and an IPv4 service only')
        return value

    @property
    def families(self) -> Families:
        """The families of the service address and of the unique addresses."""
        if self.family != "dual":
            return Families(self.family, self.family)
        service = self.service_family or "ipv4"
        return Families(service, _OTHER[service])

    @property
    def client_family(self) -> Family:
        """The family of the client's sockets."""
        return self.client_sockets or ("ipv6" if self.family == "dual" else self.family)

    def family_needs(self) -> frozenset[Need]:
        """What its addresses need."""
        return frozenset({IPV6} if "ipv6" in self.families.every else ())
