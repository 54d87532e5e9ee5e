"""Runs inside a guest: a point twice on one stage, its servers' programs anew the second time, as after a reboot.

argv: the point as JSON. The raw directories are `life-1` and `life-2` below `$TESTBED_OUT`. Between the two every
program of a server ends and its kernel forgets its connections and what it checked; addresses and routes stay.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from experiments.composition import parts_of
from experiments.measurement import drive
from experiments.stage import path_managers, stage
from testbed.net import silence
from testbed.process import CommandLog
from testbed.record.point import Point

if __name__ == "__main__":
    point, log = Point.from_json(sys.argv[1]), CommandLog()
    with stage(point, parts_of(point), log) as ready:
        for life in ("life-1", "life-2"):
            out = Path(os.environ["TESTBED_OUT"], life)
            out.mkdir()
            (out / "point.json").write_text(point.to_json())
            with path_managers(point, ready, out):
                drive(point, ready, out)
            for server in ready.servers:
                silence.destroy_sockets(server.node, log)
