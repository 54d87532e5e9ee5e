"""The toolkit as a wheel: the packages that run here, with the versions of their dependencies that run here.

The same toolkit is the same bytes, so a wheel's SHA-256 is its name on the other side. It is packed from the packages
as they are imported, whether they come from a checkout or were installed, without network or build tools.
Source: the binary distribution format, https://packaging.python.org/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import testbed
from testbed.base.errors import PrerequisiteError
from testbed.extras import DISTRIBUTION

RUNS_POINTS = f"{DISTRIBUTION}[lab]"
"""What a machine needs that runs points: not what it would take to have others run them."""
PACKAGES = ("analysis", "experiments", "testbed", "topologies")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file can hold
_WHEEL = "Wheel-Version: 1.0\nGenerator: testbed\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True)
class Wheel:
    """A wheel: its file name, its bytes, their SHA-256 in hexadecimal."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """What it is called on the other side."""
        return hashlib.sha256(self.content).hexdigest()


def toolkit() -> Wheel:
    """This toolkit; raises `PrerequisiteError` if it is not installed, or one of its dependencies is not."""
    root = Path(testbed.__file__).parents[1]
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and not any(part.startswith(".") for part in path.parts[-2:])
        # A checkout's is a link, which is not followed, and no kernel is built there: what is sent is the same.
        and not path.is_relative_to(root / "testbed" / "kernel_patches")
    }
    return pack(files, testbed.__version__, pinned(RUNS_POINTS))


def pinned(distribution: str, *, itself: bool = False) -> dict[str, str]:
    """All that a distribution needs to run, and what that needs in turn: name and the version that is installed.

    It may be named with extras: `package[one,two]`.
    With `itself`, the distribution too. Raises `PrerequisiteError` for one that is not installed.
    """
    versions: dict[str, str] = {}
    waiting = [Requirement(distribution)]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in versions:
            continue
        try:
            found = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError as error:
            raise PrerequisiteError(
                f"the Python package {wanted.name} is not installed", hint="run: make venv"
            ) from error
        versions[name] = found.version
        requirements = [Requirement(text) for text in found.requires or ()]
        extras = wanted.extras or {""}
        waiting += [
            each for each in requirements if not each.marker or any(each.marker.evaluate({"extra": e}) for e in extras)
        ]
    if not itself:
        del versions[canonicalize_name(Requirement(distribution).name)]
    return versions


def pack(files: Mapping[str, bytes], version: str, dependencies: Mapping[str, str]) -> Wheel:
    """A wheel of these files (path and content), which needs just these versions."""
    stem = f"{DISTRIBUTION.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    needs = "".join(f"Requires-Dist: {name}=={dependencies[name]}\n" for name in sorted(dependencies))
    head = f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: {version}\nRequires-Python: >=3.11\n"
    every = {**files, f"{info}/METADATA": (head + needs).encode(), f"{info}/WHEEL": _WHEEL.encode()}
    record = "".join(f"{name},sha256={_digest(every[name])},{len(every[name])}\n" for name in sorted(every))
    every[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(every):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, every[name])  # stored: no two zlibs compress alike
    return Wheel(f"{stem}-py3-none-any.whl", packed.getvalue())


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
