"""The supervisor in a machine that counts (process 1): that of the uml lab, with this machine's files over 9p.

The one argument is the directory of this machine in which the lab has noted what is to be seen.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from testbed.labs import guest, guest_mounts
from testbed.labs.mount import BIND, RDONLY, mount

ROOT_OPTIONS = "trans=virtio,version=9p2000.L,msize=262144,cache=loose"
"""Of this machine's files, which do not change meanwhile: what was read once is not asked for again."""

_OUT_OPTIONS = "trans=virtio,version=9p2000.L,msize=262144,cache=none"
_HOST = Path("/run/testbed/host")
OUT_TAG = "out"


def lay(runtime: Path) -> None:
    """Lay the mounts (`guest_mounts.lay_over`); raises OSError."""
    guest_mounts.lay_over(guest_mounts.exposed(runtime), window=_window, expose=_expose)


def _window(target: str) -> None:
    mount(OUT_TAG, target, "9p", data=_OUT_OPTIONS)
    _HOST.mkdir()
    mount("/", str(_HOST), None, BIND)


def _expose(path: str) -> None:
    mount(f"{_HOST}{path}", path, None, BIND | RDONLY)


if __name__ == "__main__":
    guest.main(lay=partial(lay, Path(sys.argv[1])))
