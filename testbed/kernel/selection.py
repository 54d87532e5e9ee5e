"""Which lab kernel a command means: the current one of a release (`7.3`), or a build by its identity."""

from __future__ import annotations

from testbed.base.errors import PrerequisiteError, UsageError
from testbed.kernel import build
from testbed.kernel.cache import Cache, Kernel, default_cache
from testbed.kernel.flavour import UML
from testbed.kernel.release import DEFAULT, RELEASES, Release, of_source


def current(release: Release = DEFAULT) -> Kernel:
    """A release's lab kernel in the cache; raises `PrerequisiteError` with the command that builds it."""
    found = build.find(release=release)
    if found is None:
        option = "" if release == DEFAULT else f" --release {release.name}"
        which = "the lab kernel" if release == DEFAULT else f"the lab kernel {release.name}"
        raise PrerequisiteError(f"{which} is not built", hint=f"run: testbed kernel build{option}")
    return found


def select(name: str, cache: Cache | None = None) -> Kernel:
    """The kernel of a release's name or of an identity; raises `UsageError` that names those which exist."""
    if name in RELEASES:
        return current(RELEASES[name])
    kernels = {kernel.id: kernel for kernel in (cache or default_cache()).all() if kernel.manifest.flavour == UML.name}
    if name not in kernels:
        raise UsageError(
            f"no lab kernel {name!r}",
            hint=f"releases: {', '.join(RELEASES)}; builds in the cache: {', '.join(kernels) or 'none'}",
        )
    return kernels[name]


def again(identity: str, source: str, cache: Cache | None = None) -> Kernel:
    """The kernel to go on with where one with this identity, made from this source, was used before.

    That very build while the cache has it, else its release's current one.
    """
    return (cache or default_cache()).load(identity) or current(of_source(source))
