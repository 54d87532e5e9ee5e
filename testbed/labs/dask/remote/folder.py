"""What lies in the folder of a request on a worker's machine: the names that its task and its process share.

Those of the request, the output, standard input and the end are of any job's folder (`testbed.labs.ssh.remote.layout`).
"""

from __future__ import annotations

PROGRAM, BLOBS = "program.py", "blobs"
STDOUT, STDERR = "stdout", "stderr"
KERNEL, LIBRARY = "kernel", "library.so"
"""In `BLOBS`: the directory of a lab kernel, the library for large reads."""

RUN = "run"
"""The action of a request that is a job; other ones are those of `testbed.labs.ssh.remote.commands`."""
