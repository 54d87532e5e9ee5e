"""Which kernel `--kernel` means, and which one a run that is continued goes on with."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.api.places import kernel_of
from experiments.cli.run import run
from testbed.base.errors import PrerequisiteError, UsageError
from testbed.kernel import selection
from testbed.kernel.cache import Cache, Manifest
from testbed.labs.catalog import LabSpec


def put(cache: Cache, name: str, *, source: str = "linux-source-7.3 7.3.4-1", flavour: str = "uml") -> None:
    folder = cache.kernels / name
    folder.mkdir(parents=True)
    (folder / "linux").write_bytes(b"binary")
    manifest = Manifest(
        id=name,
        release="7.3.4",
        flavour=flavour,
        source=source,
        patches=(),
        config_sha256="00",
        compiler="gcc",
        build_s=1.0,
        steps=1,
        built_at="2026-01-01T00:00:00+00:00",
        image_sha256="11",
        image_bytes=6,
        toolkit="1",
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache, which is the environment's."""
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    return Cache(tmp_path / "cache")


def test_an_identity_means_that_build(cache: Cache) -> None:
    put(cache, "0123456789ab")
    assert selection.select("0123456789ab", cache).id == "0123456789ab"


def test_a_release_that_is_not_built_names_the_command_that_builds_it(cache: Cache) -> None:
    with pytest.raises(PrerequisiteError, match=r"the lab kernel 7\.3 is not built \(run: .*build --release 7\.3\)"):
        selection.select("7.3", cache)
    with pytest.raises(PrerequisiteError, match=r"the lab kernel is not built \(run: testbed kernel build\)"):
        selection.current()


def test_another_name_is_refused_with_those_that_there_are(cache: Cache) -> None:
    put(cache, "0123456789ab")
    put(cache, "ba9876543210", flavour="x86_64")
    with pytest.raises(UsageError, match=r"'7\.4' \(releases: 6\.12, 7\.3; builds in the cache: 0123456789ab\)"):
        selection.select("7.4", cache)


def test_a_run_goes_on_with_its_own_build_or_with_its_release(cache: Cache) -> None:
    put(cache, "0123456789ab")
    assert selection.again("0123456789ab", "linux-source-7.3 7.3.4-1", cache).id == "0123456789ab"
    with pytest.raises(PrerequisiteError, match=r"kernel 7\.3 is not built"):
        selection.again("ffffffffffff", "linux-source-7.3 7.3.4-1", cache)


def test_a_lab_with_a_kernel_of_its_own_takes_none(cache: Cache) -> None:
    assert kernel_of(None, [LabSpec("local")]) is None
    for lab in (LabSpec("local"), LabSpec("vm"), LabSpec("ssh", "host/local")):
        with pytest.raises(UsageError, match=f"--kernel 7.3: the lab has a kernel of its own: {lab}"):
            kernel_of("7.3", [lab])
    put(cache, "0123456789ab")
    for labs in ([LabSpec("uml")], [LabSpec("local"), LabSpec("ssh", "host")]):
        chosen = kernel_of("0123456789ab", labs)
        assert chosen is not None and chosen.id == "0123456789ab"


def test_a_run_with_a_kernel_that_is_not_there_ends_before_it_begins(cache: Cache, tmp_path: Path) -> None:
    ended = CliRunner().invoke(run, ["fig07", "--kernel", "7.3", "--out", str(tmp_path / "out")])
    assert isinstance(ended.exception, PrerequisiteError)
    assert not (tmp_path / "out").exists()
