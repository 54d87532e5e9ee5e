"""What a kernel is made from, and the identity that follows: the same recipe is the same kernel."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from testbed.kernel import config, source, toolchain, tree
from testbed.kernel.config import Setting
from testbed.kernel.patches import Patch, read_series
from testbed.kernel.source import DebianSource
from testbed.kernel.tree import SourceTree

PATCH_FOLDER = Path(__file__).resolve().parents[2] / "kernel-patches"


@dataclass(frozen=True)
class Recipe:
    """Source, patches in order, configuration fragment, and the compiler's version line."""

    source: DebianSource | SourceTree
    patches: tuple[Patch, ...]
    fragment: Path
    settings: tuple[Setting, ...]
    compiler: str

    @property
    def id(self) -> str:
        """12 hexadecimal digits of a SHA-256 over everything that goes into the kernel."""
        inputs = {
            "source": self.source.identity,
            "patches": [patch.sha256 for patch in self.patches],
            "config": config.digest(self.settings),
            "compiler": self.compiler,
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]


def read_recipe(
    directory: Path | None,
    *,
    patches: bool | None,
    downloads: Path,
    folder: Path = PATCH_FOLDER,
    update: bool = False,
) -> Recipe:
    """The recipe of the Debian source (`directory` is None) or of the user's own tree.

    `patches` None means: the series goes on the Debian source, and not on a tree that may have the changes already.
    Raises `ConfigError` for the files in `folder`, `UsageError` for the tree, and `PrerequisiteError` without
    compiler or apt.
    """
    with_series = directory is None if patches is None else patches
    fragment = folder / "uml.config"
    return Recipe(
        source=source.locate(downloads, update=update) if directory is None else tree.examine(directory),
        patches=read_series(folder / "series") if with_series else (),
        fragment=fragment,
        settings=config.read_fragment(fragment),
        compiler=toolchain.compiler(),
    )
