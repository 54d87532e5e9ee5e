"""`testbed kernel`: build a lab kernel, show what the cache holds, print a kernel's path."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from experiments.cli.command_group import CommandGroup, Listed
from experiments.cli.given import require_not_given
from experiments.cli.kernel_progress import shown
from experiments.cli.options import release_option
from experiments.cli.output import Console, say, show
from testbed.base.errors import PrerequisiteError
from testbed.kernel import build as kernel_build
from testbed.kernel.cache import Kernel, default_cache
from testbed.kernel.flavour import FLAVOURS, UML, Flavour
from testbed.kernel.release import DEFAULT, RELEASES, Release

_source = click.option(
    "--source",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A kernel source tree of your own (never changed). Default: Debian's linux-source of the release.",
)
_patches = click.option(
    "--patches/--no-patches",
    "with_patches",
    default=None,
    help="Apply the release's series in kernel-patches/. Default: on Debian's source only.",
)
_flavour = click.option(
    "--flavour",
    type=click.Choice(sorted(FLAVOURS)),
    default=UML.name,
    show_default=True,
    callback=lambda _context, _option, name: FLAVOURS[name],
    help="uml: the embedded lab's. x86_64: a bzImage for a virtual machine (needs libelf-dev).",
)
_fragments = click.option(
    "--config",
    "fragments",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A configuration fragment on top of the flavour's own.",
)

_OWN_SOURCE = "--source DIR is what it is, with the nearest release's series"


@click.group(cls=CommandGroup)
def kernel() -> None:
    """Build, list and find the lab kernel."""


kernel.list_later(
    "Commands",
    Listed("test", "kernel_test:kernel_test", "Run the kernel's MPTCP selftests, unpatched and patched."),
)


@kernel.command(short_help="Build the lab kernel, unless the cache has it.")
@release_option
@_source
@_patches
@_flavour
@_fragments
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Parallel jobs. Default: one per CPU.")
@click.option("--keep", is_flag=True, help="Leave the source and the object files beside the kernel (0.8 GB).")
@click.option(
    "--update/--locked",
    default=None,
    help="Take the newest source that apt knows, or ask the mirror once more for the locked one. Default: the locked "
    "one where the mirror has it, else what is downloaded, else the newest to which the patches apply.",
)
@click.pass_context
def build(
    context: click.Context,
    release: Release,
    directory: Path | None,
    with_patches: bool | None,
    flavour: Flavour,
    fragments: tuple[Path, ...],
    jobs: int | None,
    keep: bool,
    update: bool | None,
) -> None:
    """Build the lab kernel, unless the cache has it, and print its path."""
    if directory is not None:
        require_not_given(context, ("release", "update"), _OWN_SOURCE)
    made = shown(
        lambda report: kernel_build.build(
            directory,
            release=release,
            patches=with_patches,
            flavour=flavour,
            fragments=fragments,
            progress=report,
            jobs=jobs,
            keep=keep,
            update=update,
        )
    )
    locked = release.lock().identity
    if directory is None and made.manifest.source != locked:
        say(f"its source is {made.manifest.source}, not the locked {locked}")
    show(made.image)


@kernel.command(short_help="List the kernels in the cache.")
@_flavour
def status(flavour: Flavour) -> None:
    """List the kernels in the cache; the current one of each release is marked.

    What experiments use is that of the uml flavour: of the default release (**), or of the one that --kernel names (*).
    """
    cache = default_cache()
    kernels = cache.all()
    found = {each: kernel_build.find(release=each, flavour=flavour, cache=cache) for each in RELEASES.values()}
    console = Console()
    if kernels:
        console.print(_table(kernels, {kernel.id: _mark(each) for each, kernel in found.items() if kernel}))
    for each, kernel in found.items():
        if kernel is None:
            wanted = f"run {_command(each, flavour)}"
            console.print(f"The current kernel {each.name} is not built: {wanted}", highlight=False, soft_wrap=True)
    console.print(f"cache: {cache.root}", highlight=False, soft_wrap=True)


@kernel.command(short_help="Print the path of a release's current kernel.")
@release_option
@_source
@_patches
@_flavour
@_fragments
@click.pass_context
def path(
    context: click.Context,
    release: Release,
    directory: Path | None,
    with_patches: bool | None,
    flavour: Flavour,
    fragments: tuple[Path, ...],
) -> None:
    """Print the path of a release's current kernel; fails if it is not built."""
    if directory is not None:
        require_not_given(context, ("release",), _OWN_SOURCE)
    found = kernel_build.find(directory, release=release, patches=with_patches, flavour=flavour, fragments=fragments)
    if found is None:
        raise PrerequisiteError("the lab kernel is not built", hint=f"run: {_command(release, flavour)}")
    show(found.image)


def _command(release: Release, flavour: Flavour) -> str:
    """The command that builds a release's kernel in a flavour."""
    words = ["testbed kernel build"]
    words += [] if release == DEFAULT else [f"--release {release.name}"]
    words += [] if flavour == UML else [f"--flavour {flavour.name}"]
    return " ".join(words)


def _mark(release: Release) -> str:
    return "**" if release == DEFAULT else "*"


def _table(kernels: list[Kernel], marks: Mapping[str, str]) -> Table:
    headings = ("", "id", "flavour", "release", "source", "patches", "size", "built")
    table = Table(*headings, box=None, pad_edge=False)
    for each in kernels:
        manifest = each.manifest
        table.add_row(
            marks.get(each.id, ""),
            each.id,
            " + ".join((manifest.flavour, *manifest.fragments)),
            each.release,
            manifest.source,
            str(len(manifest.patches)),
            f"{_size_bytes(each.image.parent) / 1e6:.0f} MB",
            _age(datetime.now(UTC) - datetime.fromisoformat(manifest.built_at)),
        )
    return table


def _age(age: timedelta) -> str:
    """The largest unit that fits: `3 days ago`."""
    seconds = int(age.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (count := seconds // length) > 0:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _size_bytes(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*"))
