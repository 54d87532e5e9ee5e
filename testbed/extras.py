"""The extras of the toolkit's distribution: packages that its base does without, each named where one is missing.

    mptcp-lb-testbed            reads runs and captures: testbed analyze, figures, report, export, diff, results
    mptcp-lb-testbed[lab]       runs points
    mptcp-lb-testbed[ssh]       has them run on another machine
    mptcp-lb-testbed[vm]        has them run in the lab VM
    mptcp-lb-testbed[pandas]    gives tables as pandas' data frames
    mptcp-lb-testbed[dask]      has them run by a Dask cluster
    mptcp-lb-testbed[sweep]     draws Latin hypercubes for a [sweep]

Which package is of which extra is in `setup.cfg` alone, and from there in the metadata of what is installed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from testbed.base.errors import PrerequisiteError

DISTRIBUTION = "mptcp-lb-testbed"
_BROUGHT_BY = {"distutils": "setuptools"}  # since Python 3.12


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Until the block ends, the failed import of a package of an extra is an error that names the extra.

    `what` needs it. Raises `PrerequisiteError`; what else cannot be imported is left as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if missing := explanation(what, error):
            raise missing from error
        raise


def explanation(what: str, error: ModuleNotFoundError) -> PrerequisiteError | None:
    """The error for a module that is missing because its extra is not installed; None for any other."""
    module = (error.name or "").partition(".")[0]
    extra = _extra_of(_BROUGHT_BY.get(module, module))
    if extra is None:
        return None
    return PrerequisiteError(
        f"{what} needs the Python package {module}, which is not installed",
        hint=f"install this with pip or pipx, into the same environment: '{DISTRIBUTION}[{extra}]'",
    )


def _extra_of(module: str) -> str | None:
    """The extra, the first in the order of `setup.cfg`, that brings a module of this name; None for none."""
    # All of it is for a failure alone, and takes a while.
    from importlib import metadata

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    # In a checkout there may be an older record of it beside the packages (`*.egg-info`), which Python finds first.
    for found in metadata.distributions(name=DISTRIBUTION):
        needed = [Requirement(text) for text in found.requires or []]
        for extra in found.metadata.get_all("Provides-Extra", []):
            for each in needed:
                # A package of the namespace qemu is of the distribution qemu.qmp.
                if each.marker is None or canonicalize_name(each.name).partition("-")[0] != module:
                    continue
                if each.marker.evaluate({"extra": extra}) and not each.marker.evaluate({"extra": ""}):
                    return str(extra)
    return None
