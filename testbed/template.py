"""What a program in a guest does so that one boot serves many jobs: it stands still, and copies of the guest go on.

A lab that shares its boots starts the program once, with `VARIABLE` in its environment. When the program has imported
what any job may need, it reads a file of its kernel's (patch 0014): the guest's time stops there, and for each job a
copy of the whole guest goes on from the same instant, with memory of its own. No copy sees another. Standard library
only.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "TESTBED_TEMPLATE"
FILE = "/proc/template"
SUPERVISOR, JOB_CHANGED = 1, signal.SIGUSR1
"""The process that bounds a job, and the signal that says which job it is now."""

_REQUEST_BYTES = 256


def is_wanted() -> bool:
    """Whether this guest is to be a template."""
    return VARIABLE in os.environ


def stand_still() -> bool:
    """Stand still here, and return in each copy, as if the guest had been booted for it, with True.

    The copy's output directory has the job's own files. False in the template itself, when nobody wants a copy any
    more. Raises OSError where the kernel cannot do it.
    """
    file = os.open(os.environ.pop(VARIABLE), os.O_RDONLY)
    request = os.read(file, _REQUEST_BYTES)
    os.close(file)
    if request:
        os.kill(SUPERVISOR, JOB_CHANGED)
    return bool(request)
