"""What lies in the folder of a request on a worker's machine: the names that its task and its process share."""

from __future__ import annotations

PROGRAM, REQUEST, BLOBS, OUTPUT, END, LOG = "program.py", "request.json", "blobs", "out", "end.json", "log"
STDOUT, STDERR, STDIN = "stdout", "stderr", "stdin"
KERNEL, LIBRARY = "kernel", "library.so"
"""In `BLOBS`: the directory of a lab kernel, the library for large reads."""

RUN = "run"
"""The action of a request that is a job; other ones are those of `testbed.labs.ssh.remote.commands`."""
