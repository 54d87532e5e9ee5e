"""Runs inside a guest: Fig. 5 with two servers, whose director loses one and gets it back; prints what IPVS has."""

from __future__ import annotations

import json
import sys

from pyroute2 import IPVS, IPVSService

from experiments import plan
from experiments.composition import parts_of
from experiments.stage import Stage, stage
from testbed.net.netns import inside
from testbed.process import CommandLog


def servers(ready: Stage) -> list[str]:
    """The addresses of the real servers, as the kernel has them."""
    layout = ready.layout
    with inside(ready.network[layout.director]), IPVS() as ipvs:
        service = IPVSService(addr=layout.service, port=layout.port, protocol=6)
        found = [message.get_attr("IPVS_CMD_ATTR_DEST") for message in ipvs.dest("dump", service=service)]
    return sorted(each.get_attr("IPVS_DEST_ATTR_ADDR") for each in found)


def main() -> None:
    point = plan.plan(plan.load(plan.find("fig07")), overrides=["topology.servers=2"])[0]
    with stage(point, parts_of(point), CommandLog()) as ready:
        first, second = ready.layout.servers
        director, found = ready.parts.director, [servers(ready)]
        for pool in ([second], [second, first], [first, second]):
            director.set_pool(ready.network, ready.layout, pool)
            found.append(servers(ready))
    json.dump(found, sys.stdout)


main()
