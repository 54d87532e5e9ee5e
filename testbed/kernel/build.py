"""Make the lab kernel, or find it in the cache: `find` looks, `build` makes it if it is not there.

Everything happens in a directory that is gone at the end unless the build succeeds: source, patches, configuration,
objects. What stays is the kernel with its configuration, manifest and log. The unpacked source (0.6 GB) and the
objects stay only with `keep`: unpacking again takes seconds, and the downloaded package is kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import testbed
from testbed.base.errors import GuestTimeout, KernelBuildError, PrerequisiteError
from testbed.kernel import build_log, config, download, toolchain, tree
from testbed.kernel.cache import Cache, Kernel, Manifest, PatchRecord, default_cache
from testbed.kernel.flavour import UML, Flavour
from testbed.kernel.patches import PatchMisfit, apply
from testbed.kernel.precompiled import SAMPLE, PrecompiledHeaders
from testbed.kernel.progress import Progress, Report, silent
from testbed.kernel.recipe import PATCH_FOLDER, Recipe, read_recipe
from testbed.kernel.release import DEFAULT, Release, of_source
from testbed.kernel.source import DebianSource, at_hand, unpack
from testbed.kernel.source_choice import candidates
from testbed.kernel.tree import SourceTree
from testbed.reaped_process import ReapedProcess

SPACE_FOR_SOURCE_BYTES = 1_500_000_000
SPACE_FOR_COPY_BYTES = 3_000_000_000
SPACE_FOR_OBJECTS_BYTES = 500_000_000

_POLL_S = 0.25


def find(
    source: Path | None = None,
    *,
    release: Release = DEFAULT,
    patches: bool | str | None = None,
    flavour: Flavour = UML,
    fragments: Sequence[Path] = (),
    cache: Cache | None = None,
    folder: Path = PATCH_FOLDER,
) -> Kernel | None:
    """The kernel that `build` with the same arguments would give, if it is in the cache.

    None too if this machine lacks what it takes to say which one that is (`build` then says what). Raises
    `PrerequisiteError` for a cache that cannot be trusted or named, `ConfigError` for the fragments and the series,
    and `UsageError` for the source tree.
    """
    store = cache or default_cache()
    try:
        sources = [tree.examine(source)] if source else at_hand(store.downloads, release)
        recipes = [
            read_recipe(each, patches=patches, folder=folder, flavour=flavour, fragments=fragments) for each in sources
        ]
    except PrerequisiteError:
        return None
    return next((kernel for recipe in recipes if (kernel := store.load(recipe.id)) is not None), None)


def build(
    source: Path | None = None,
    *,
    release: Release = DEFAULT,
    patches: bool | str | None = None,
    flavour: Flavour = UML,
    fragments: Sequence[Path] = (),
    progress: Report = silent,
    jobs: int | None = None,
    keep: bool = False,
    update: bool | None = None,
    cache: Cache | None = None,
    folder: Path = PATCH_FOLDER,
) -> Kernel:
    """The kernel made from Debian's source of a release or from the tree `source`, out of the cache if it is there.

    `patches` says whether the release's series goes on (default: on Debian's source only), or of which subsystem its
    patches do (`um`); `fragments` are added to the flavour's configuration; `jobs` is the number of parallel jobs
    (default: the CPUs we may use); `keep` leaves source and objects beside the kernel. Debian's source is the locked
    version if the mirror has it, else the newest to which the series applies: `update` True asks for the newest
    anyway, False for the locked one once more. Raises `PrerequisiteError`, `ConfigError`, `UsageError` for a tree that
    is none, and `KernelBuildError` with the first error line and the log's path.
    """
    store = cache or default_cache()
    store.prepare()
    store.kernel_artifacts.remove_leftovers()

    def recipe_of(wanted: DebianSource | SourceTree) -> Recipe:
        return read_recipe(wanted, patches=patches, folder=folder, flavour=flavour, fragments=fragments)

    workers = jobs or len(os.sched_getaffinity(0))
    if source is not None:
        return _build(recipe_of(tree.examine(source)), store, progress, jobs=workers, keep=keep)
    misfit: PatchMisfit | None = None
    has_kernel = lambda wanted: store.load(recipe_of(wanted).id) is not None  # noqa: E731
    for each in candidates(store.downloads, release, progress, has_kernel=has_kernel, update=update):
        try:
            kernel = _build(recipe_of(each), store, progress, jobs=workers, keep=keep)
        except PatchMisfit as error:
            misfit = misfit or error
            continue
        download.pin(each, store.downloads)
        return kernel
    raise misfit or KernelBuildError("no kernel source to build")


def _build(recipe: Recipe, store: Cache, progress: Report, *, jobs: int, keep: bool) -> Kernel:
    """The kernel of a recipe, out of the cache if it is there."""
    if (kernel := store.load(recipe.id)) is not None:
        return kernel
    toolchain.require(toolchain.BUILD_PROGRAMS)
    toolchain.require_libc_headers()
    if recipe.flavour.libelf:
        toolchain.require_libelf_headers()
    with store.kernel_artifacts.lock(recipe.id, lambda: progress(Progress("wait"))):
        if (kernel := store.load(recipe.id)) is None:
            with store.kernel_artifacts.building(recipe.id) as area:
                _make_kernel(recipe, store, area, progress, jobs=jobs, keep=keep)
            kernel = store.load(recipe.id)
    if kernel is None:
        raise KernelBuildError(f"{store.kernels / recipe.id} is not whole after the build")
    return kernel


def _make_kernel(recipe: Recipe, store: Cache, area: Path, report: Report, *, jobs: int, keep: bool) -> None:
    """Build in `area` and put the result into the cache; the log of a failed build stays beside the kernels."""
    started = time.monotonic()
    log_path, objects, whole = area / "build.log", area / "build", area / "whole"
    failed_log = store.kernels / f"failed-{recipe.id}.log"
    try:
        objects.mkdir()
        whole.mkdir()
        with log_path.open("wb") as log:
            tree_path = _source(recipe, store, area, report)
            try:
                _compile(recipe, store, tree_path, objects, log=log, report=report, jobs=jobs)
            except KernelBuildError as error:
                shutil.copyfile(log_path, failed_log)
                hint = f"{error.hint}; log: {failed_log}" if error.hint else f"log: {failed_log}"
                raise KernelBuildError(error.message, hint=hint) from error
            _collect(recipe, store, objects, whole, log_path=log_path, seconds=time.monotonic() - started)
            if keep:
                objects.rename(whole / "build")
                if tree_path.parent == area:
                    tree_path.rename(whole / "source")
            store.kernel_artifacts.publish(whole, recipe.id)
        failed_log.unlink(missing_ok=True)
    except OSError as error:
        raise KernelBuildError(f"the kernel build failed in {area}: {error.strerror}: {error.filename}") from error


def _compile(
    recipe: Recipe, store: Cache, tree_path: Path, objects: Path, *, log: BinaryIO, report: Report, jobs: int
) -> None:
    """Configure and make; raises `KernelBuildError`."""
    make = ["make", "-C", str(tree_path), f"ARCH={recipe.flavour.arch}", f"O={objects}"]
    headers = PrecompiledHeaders(objects.parent / "headers", recipe.headers) if recipe.headers else None
    if headers:
        make.append(f"CC={headers.compiler}")
    report(Progress("configure"))
    merged = objects / "wanted.config"
    config.write(recipe.settings, merged)
    _run_make([*make, f"KCONFIG_ALLCONFIG={merged}", "allnoconfig"], log, silent, 0)
    config.check(recipe.settings, objects / ".config")
    ours = (recipe.flavour.name, of_source(recipe.source.identity))
    alike = [k.manifest.steps for k in store.all() if (k.manifest.flavour, of_source(k.manifest.source)) == ours]
    expected = next(iter(alike), build_log.STEPS_OF_A_BUILD)
    # Of a release nobody reads them; of a tree of the user's own they may be what the build is for.
    quiet = [toolchain.WITHOUT_WARNINGS] if isinstance(recipe.source, DebianSource) else []
    make += [*quiet, f"-j{jobs}"]
    if headers:
        _run_make([*make, SAMPLE], log, silent, 0)
        log.write(f"{headers.make(objects)}\n".encode())
        log.flush()
    _run_make([*make, recipe.flavour.goal], log, report, expected)


def _collect(recipe: Recipe, store: Cache, objects: Path, whole: Path, *, log_path: Path, seconds: float) -> None:
    """Fill the directory that becomes the kernel's place in the cache."""
    image = whole / recipe.flavour.file
    shutil.copyfile(objects / recipe.flavour.image, image)
    image.chmod(0o755)
    shutil.copyfile(objects / ".config", whole / "config")
    log_path.rename(whole / "build.log")
    manifest = Manifest(
        id=recipe.id,
        flavour=recipe.flavour.name,
        image=image.name,
        release=(objects / "include" / "config" / "kernel.release").read_text().strip(),
        source=recipe.source.identity,
        source_sha256=_source_sha256(recipe, store),
        patches=tuple(PatchRecord(name=patch.name, sha256=patch.sha256) for patch in recipe.patches),
        fragments=recipe.fragments,
        config_sha256=config.digest(recipe.settings),
        compiler=recipe.compiler,
        build_s=round(seconds, 1),
        steps=build_log.count_steps((whole / "build.log").read_text(errors="replace")),
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        image_sha256=hashlib.sha256(image.read_bytes()).hexdigest(),
        image_bytes=image.stat().st_size,
        toolkit=testbed.__version__,
    )
    (whole / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _source(recipe: Recipe, store: Cache, area: Path, report: Report) -> Path:
    """The source tree to build, with the patches applied: the user's own as it is, or a copy of ours in `area`."""
    target = area / "source"
    if isinstance(recipe.source, DebianSource):
        store.require_space(SPACE_FOR_SOURCE_BYTES)
        package = download.fetch(recipe.source, store.downloads, report)
        report(Progress("unpack"))
        unpack(package, target)
    elif recipe.patches:
        store.require_space(SPACE_FOR_COPY_BYTES)
        report(Progress("copy"))
        tree.copy(recipe.source, target)
    else:
        store.require_space(SPACE_FOR_OBJECTS_BYTES)
        return recipe.source.path
    report(Progress("patch"))
    apply(recipe.patches, target)
    return target


def _source_sha256(recipe: Recipe, store: Cache) -> str:
    """The digest of the package file; empty for a tree of the user's own."""
    if not isinstance(recipe.source, DebianSource):
        return ""
    file = download.present(recipe.source, store.downloads)
    return download.sha256(file) if file else ""


def _run_make(argv: list[str], log: BinaryIO, report: Report, expected: int) -> None:
    """Run make with its output in the log, and report its steps; nothing of it is left running afterwards."""
    log_path = Path(log.name)
    start = log_path.stat().st_size
    make = ReapedProcess(argv, stdout=log, stderr=log, env=toolchain.environment(os.environ), cwd=log_path.parent)
    try:
        status, done = None, 0
        with log_path.open("rb") as output:
            output.seek(start)
            while status is None:
                status = _wait(make)
                # Only whole lines: half a line would be counted twice or not at all.
                fresh = output.read()
                complete = fresh[: fresh.rfind(b"\n") + 1]
                output.seek(len(complete) - len(fresh), os.SEEK_CUR)
                done += build_log.count_steps(complete.decode(errors="replace"))
                report(Progress("compile", done, max(expected, done)))
    finally:
        make.release()
    if status != 0:
        text = log_path.read_bytes()[start:].decode(errors="replace")
        raise KernelBuildError(f"the kernel build failed: {build_log.first_error(text)}")


def _wait(process: ReapedProcess) -> int | None:
    try:
        return process.wait(_POLL_S)
    except GuestTimeout:
        return None
