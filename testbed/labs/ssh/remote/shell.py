"""Runs one job on the other machine with the terminal of this session: `python -m testbed.labs.ssh.remote.shell DIR`.

The folder is that of any job (`testbed.labs.ssh.remote.job`), but nobody asks for it: the job ends with its terminal,
which sshd closes when the connection breaks, or when somebody removes it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path

from testbed.base.errors import LabError
from testbed.labs.base import InteractiveLab
from testbed.labs.ssh.remote import job, layout, protocol
from testbed.labs.ssh.remote.described_job import job_of
from testbed.labs.terminal import Terminal, ending_in_order

_WATCH_S = 0.1


def _end_when_cancelled(folder: Path) -> None:
    while not (folder / layout.CANCEL).exists():
        time.sleep(_WATCH_S)
    os.kill(os.getpid(), signal.SIGHUP)


def main(folder: Path) -> None:
    """Run the job in the folder, once."""
    lock = job.take_lock(folder)
    if lock is None:
        return
    request = json.loads((folder / layout.REQUEST).read_text())
    handle = layout.in_use(Path(request["toolkit"]))
    core_wait_s = math.inf if request["core_wait_s"] is None else float(request["core_wait_s"])
    with ending_in_order():
        threading.Thread(target=_end_when_cancelled, args=[folder], daemon=True).start()
        try:
            (folder / layout.OUTPUT).mkdir(exist_ok=True)
            with job.open_lab_for(request["lab"], request["kernel"], core_wait_s) as lab:
                if not isinstance(lab, InteractiveLab):
                    raise LabError(f"the {lab.name} lab has no shell")
                done = lab.interact(job_of(folder, request), Terminal())
            end = {"result": dataclasses.asdict(done)}
        except Exception as error:  # whoever waits must learn why
            end = {"error": protocol.error_to_json(error)}
    job.write_end(folder, end)
    os.close(handle)
    lock.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
