"""What a kernel is made from, and the identity that follows: the same recipe is the same kernel."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import testbed
from testbed.kernel import config, precompiled, release, toolchain
from testbed.kernel.config import Setting
from testbed.kernel.flavour import UML, Flavour
from testbed.kernel.patches import Patch, read_series
from testbed.kernel.release import Release
from testbed.kernel.source import DebianSource
from testbed.kernel.tree import SourceTree

PATCH_FOLDER = Path(testbed.__file__).with_name("kernel_patches").resolve()
"""The folder `kernel-patches/` at the top of a checkout; what is installed has it here."""


@dataclass(frozen=True)
class Recipe:
    """Source, patches in order, configuration, the compiler's version line, and the flavour.

    `fragments` names the configuration's files beyond the flavour's own; `headers` is the list of those that are
    precompiled, where any are.
    """

    source: DebianSource | SourceTree
    patches: tuple[Patch, ...]
    settings: tuple[Setting, ...]
    compiler: str
    flavour: Flavour = UML
    fragments: tuple[str, ...] = ()
    headers: Path | None = None

    @property
    def id(self) -> str:
        """12 hexadecimal digits of a SHA-256 over everything that goes into the kernel."""
        inputs: dict[str, object] = {
            "source": self.source.identity,
            "patches": [patch.sha256 for patch in self.patches],
            "config": config.digest(self.settings),
            "compiler": self.compiler,
        }
        # The uml flavour's configuration says what it is; its identity is as old as the cache.
        if self.flavour != UML:
            inputs["flavour"] = self.flavour.name
        # They change the order of instructions.
        if self.headers is not None:
            inputs["headers"] = precompiled.digest(self.headers)
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]


def fragments_of(flavour: Flavour, of: Release, folder: Path = PATCH_FOLDER) -> list[Path]:
    """The files of a flavour's configuration: those for every release, and those that this one has beside them."""
    return fragments_named(flavour.fragments, of, folder)


def fragments_named(names: Sequence[str], of: Release, folder: Path = PATCH_FOLDER) -> list[Path]:
    """The fragments with these names: those for every release, and those that this one has beside them."""
    own = [folder / of.name / name for name in names]
    return [*(folder / "common" / name for name in names), *(path for path in own if path.exists())]


def read_recipe(
    source: DebianSource | SourceTree,
    *,
    patches: bool | str | None,
    folder: Path = PATCH_FOLDER,
    flavour: Flavour = UML,
    fragments: Sequence[Path] = (),
) -> Recipe:
    """The recipe of a Debian source or of the user's own tree, which is taken for the nearest release.

    `patches` None means: the series goes on the Debian source, and not on a tree that may have the changes already.
    A text is the subsystem whose patches alone are taken: with `um`, what is under test is as upstream has it.
    `fragments` come on top of the flavour's own, which lie in `folder`. Raises `ConfigError` for a fragment and for
    the series, and `PrerequisiteError` without a compiler.
    """
    ours = isinstance(source, DebianSource)
    with_series = ours if patches is None else patches
    of = source.release if isinstance(source, DebianSource) else release.nearest(source.version)
    series = read_series(folder / of.name / "series", folder) if with_series else ()
    return Recipe(
        source=source,
        patches=tuple(p for p in series if not isinstance(patches, str) or p.subsystem == patches),
        settings=config.read_fragments([*fragments_of(flavour, of, folder), *fragments]),
        compiler=toolchain.compiler(),
        flavour=flavour,
        fragments=tuple(fragment.name for fragment in fragments),
        headers=folder / "common" / precompiled.HEADER if ours and flavour.precompiled else None,
    )
