"""A table of nftables on a node: written whole, in one step, and read back; what its counters have.

A table is told in nft's own words, as `nft list` has them: so what reads back is what was written, word for word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from testbed.base.errors import CommandError, ReadbackError
from testbed.base.families import Family
from testbed.base.needs import kernel, program
from testbed.net.netns import Node
from testbed.process import CommandLog, run

PROGRAM = program("nft", package="nftables", purpose="rules of the kernel's nftables")
"""What loads and lists the rules."""

OVER_IPV6 = kernel(
    "nftables over IPv6",
    "CONFIG_NF_TABLES_IPV6",
    purpose="a balancer of IPv6 addresses",
    probe=(("nft", "add", "table", "ip6", "probe"), ("nft", "delete", "table", "ip6", "probe")),
)
"""What tables of IPv6 need besides."""

IP: Mapping[Family, str] = {"ipv4": "ip", "ipv6": "ip6"}
"""nft's word for a family: of a header in rules, and of a table that sees such packets."""

ADDRESS: Mapping[Family, str] = {"ipv4": "ipv4_addr", "ipv6": "ipv6_addr"}
"""nft's type for an address of a family."""

_NOT_THERE = "No such file or directory"
_SEED = re.compile(r" seed 0x([0-9a-f]+)")


@dataclass(frozen=True)
class Counted:
    """So many bytes, from IP's header on, in so many packets; a burst of segments is one."""

    bytes: int
    packets: int


@dataclass(frozen=True)
class Map:
    """A map from packet marks, or TCP ports, to values of nft's type `kind`.

    That is one of `ADDRESS`, or `iface_index`, or `verdict`.
    """

    kind: str
    elements: Mapping[int, str]
    key: Literal["mark", "inet_service"] = "mark"

    def declaration(self) -> str:
        """Its type, as a statement."""
        return f"type {self.key} : {self.kind}"

    def listed(self) -> str:
        """Its elements, as they are listed."""
        form = "0x{:08x} : {}" if self.key == "mark" else "{} : {}"
        return ", ".join(form.format(*each) for each in sorted(self.elements.items()))


@dataclass(frozen=True)
class Table:
    """A table: named counters, maps, and chains with their lines (rules, and the hook of those that have one)."""

    family: str
    name: str
    counters: tuple[str, ...] = ()
    maps: Mapping[str, Map] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def blocks(self) -> list[str]:
        """Each counter, map and chain as `nft -s list table` has it, blanks folded."""
        found = [f"counter {name} {{ }}" for name in self.counters]
        for name, each in self.maps.items():
            held = f"elements = {{ {each.listed()} }} " if each.elements else ""
            found.append(f"map {name} {{ {each.declaration()} {held}}}")
        return found + [f"chain {name} {{ {' '.join(lines)} }}" for name, lines in self.chains.items()]

    def script(self) -> str:
        """What makes the table this one, whatever was in it, and lets its counters count on."""
        place = f"{self.family} {self.name}"
        lines = [f"add table {place}"]
        lines += [f"add counter {place} {name}" for name in self.counters]
        # Chains first, which rules and maps lead to; what was in them goes in the same step.
        lines += [f"add chain {place} {name} {_hook(of)}".rstrip() for name, of in self.chains.items()]
        lines.append(f"flush table {place}")
        for name, each in self.maps.items():
            lines += [f"add map {place} {name} {{ {each.declaration()}; }}", f"flush map {place} {name}"]
            elements = ", ".join(f"{mark} : {value}" for mark, value in each.elements.items())
            lines += [f"add element {place} {name} {{ {elements} }}"] if elements else []
        lines += [f"add rule {place} {name} {rule}" for name, of in self.chains.items() for rule in _rules(of)]
        return "".join(f"{line}\n" for line in lines)


def put(node: Node, table: Table, log: CommandLog | None = None) -> list[str]:
    """Make a node's table this one, in one step; returns what reads back. Raises `CommandError`, `ReadbackError`."""
    run(node.enter("nft", "-f", "-"), stdin=table.script(), log=log)
    found, wanted = listed(node, table.family, table.name, log), table.blocks()
    if sorted(found) != sorted(wanted):
        different = sorted(set(found) ^ set(wanted))
        raise ReadbackError(f"nftables {table.family} {table.name} on {node.name}", wanted, different)
    return found


def listed(node: Node, family: str, table: str, log: CommandLog | None = None) -> list[str]:
    """The counters, maps and chains of a node's table as nft lists them (without what was counted), blanks folded."""
    said = run(node.enter("nft", "-s", "list", "table", family, table), log=log).stdout
    # Empty lines part them; around them are the table's own braces.
    blocks = said.partition("{")[2].rpartition("}")[0].split("\n\n")
    return [" ".join(block.split()) for block in blocks if block.strip()]


def counters(node: Node, family: str, table: str) -> dict[str, Counted]:
    """What each counter of a table has counted, by its name."""
    said = json.loads(run(node.enter("nft", "-j", "list", "counters", "table", family, table)).stdout)
    found = [each["counter"] for each in said["nftables"] if "counter" in each]
    return {each["name"]: Counted(bytes=each["bytes"], packets=each["packets"]) for each in found}


def elements(node: Node, family: str, table: str, name: str) -> dict[int, str]:
    """What a map holds, nothing if there is none; of one whose values are verdicts, the chains that they lead to."""
    listed = run(node.enter("nft", "-j", "list", "map", family, table, name), check=False)
    if _NOT_THERE in listed.stderr:
        return {}
    if listed.status:
        raise CommandError(listed.argv, listed.status, listed.stderr)
    said = json.loads(listed.stdout)
    (found,) = (each["map"] for each in said["nftables"] if "map" in each)
    return {int(mark): _value(value) for mark, value in found.get("elem", ())}


def _value(value: Any) -> str:
    """A plain value, or the target of a verdict: `{"jump": {"target": "chain"}}`."""
    if isinstance(value, str):
        return value
    ((_, verdict),) = value.items()
    return str(verdict["target"])


def flow_hash(size: int, seed: int, family: Family) -> str:
    """A statement that sets a packet's mark to its flow's bucket: a hash over the address and the port it is from."""
    return f"meta mark set jhash {IP[family]} saddr . tcp sport mod {size} seed 0x{seed:x}"


def seed_in(blocks: list[str]) -> int:
    """The seed of the hash in a table as listed; raises LookupError if it has none."""
    for block in blocks:
        if found := _SEED.search(block):
            return int(found[1], 16)
    raise LookupError("no hash with a seed")


def _is_hook(line: str) -> bool:
    return line.startswith("type ")


def _hook(lines: tuple[str, ...]) -> str:
    return "".join(f"{{ {line} }}" for line in lines if _is_hook(line))


def _rules(lines: tuple[str, ...]) -> list[str]:
    return [line for line in lines if not _is_hook(line)]
