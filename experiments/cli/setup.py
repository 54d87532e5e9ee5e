"""`testbed setup`: what this machine lacks to run points, put there: what `make setup` does, without a checkout."""

from __future__ import annotations

import compileall
from pathlib import Path

import click

import testbed
from experiments.cli.kernel_progress import shown
from experiments.cli.output import say
from experiments.needs import every
from testbed.base.needs import packages
from testbed.debian_packages import (
    COUNTING_PACKAGES_FILE,
    PACKAGES_FILE,
    SELFTESTS_PACKAGES_FILE,
    SSH_PACKAGES_FILE,
    VM_PACKAGES_FILE,
    debian_packages,
    install_missing,
)
from testbed.kernel import build as kernel_build
from testbed.kernel.cache import default_cache
from testbed.kernel.flavour import X86_64
from testbed.tools import large_reads

_FURTHER = {
    "vm": VM_PACKAGES_FILE,
    "counting": COUNTING_PACKAGES_FILE,
    "selftests": SELFTESTS_PACKAGES_FILE,
}
_PACKAGES = ("analysis", "experiments", "testbed", "topologies")


@click.command()
@click.option(
    "--with", "further", multiple=True, type=click.Choice(list(_FURTHER)),
    help="What that takes, too: the lab VM, count-instructions, the kernel's selftests. May be repeated.",
)  # fmt: skip
def setup(further: tuple[str, ...]) -> None:
    """Make this machine ready to run points: Debian packages, the lab kernel, the library for large reads.

    What is there already is left as it is. Only the packages need root: another user is told the one command that
    installs them. `testbed doctor` says what is missing without changing anything.
    """
    files = (PACKAGES_FILE, SSH_PACKAGES_FILE, *(_FURTHER[name] for name in further))
    install_missing([*(name for path in files for name in debian_packages(path)), *packages(every())], say)
    shown(lambda report: kernel_build.build(progress=report))
    if "counting" in further:
        shown(lambda report: kernel_build.build(flavour=X86_64, progress=report))
    say(f"library for large reads: {large_reads.ensure(default_cache())}")
    _compile()
    if "vm" in further:
        say("the lab VM can be built now: testbed vm build")


def _compile() -> None:
    """Have the toolkit's bytecode beside it: guests see this machine's files read-only, and would compile each time."""
    root = Path(testbed.__file__).parents[1]
    done = [bool(compileall.compile_dir(root / name, quiet=2)) for name in _PACKAGES]
    if not all(done):
        say(f"{root}: Python's bytecode cannot be written there: each guest will compile the toolkit anew")
