import shutil
import threading
from pathlib import Path

import pytest

from testbed.base.errors import PrerequisiteError
from testbed.kernel.cache import Cache, Manifest, default_cache

KERNEL_ID = "0123456789ab"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    cache = Cache(tmp_path / "cache")
    cache.prepare()
    return cache


def nobody_waits() -> None:
    raise AssertionError("the lock is not free")


def put_kernel(cache: Cache, kernel_id: str, image: bytes, built_at: str = "2030-01-01T00:00:00+00:00") -> Path:
    folder = cache.kernels / kernel_id
    folder.mkdir()
    (folder / "linux").write_bytes(image)
    manifest = Manifest(
        id=kernel_id,
        release="6.12.1",
        source="linux-source-6.12 6.12.1-1",
        patches=(),
        config_sha256="",
        compiler="gcc",
        build_s=1.0,
        steps=1,
        built_at=built_at,
        image_sha256="",
        image_bytes=len(image),
        toolkit="0.1.0",
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


def leftover(cache: Cache) -> Path:
    folder = cache.kernels / f".building-{KERNEL_ID}-4711"
    (folder / "source").mkdir(parents=True)
    (folder / "build.log").write_text("  CC a.o\n")
    return folder


def test_a_kernel_that_is_whole_is_found_and_a_damaged_one_is_not(cache: Cache) -> None:
    folder = put_kernel(cache, KERNEL_ID, b"kernel")
    found = cache.load(KERNEL_ID)
    assert found is not None
    assert (found.image, found.release) == (folder / "linux", "6.12.1")
    (folder / "linux").write_bytes(b"kern")
    assert cache.load(KERNEL_ID) is None
    (folder / "linux").unlink()
    assert cache.load(KERNEL_ID) is None
    assert cache.load("ffffffffffff") is None


def test_kernels_are_listed_latest_first_without_those_under_way(cache: Cache) -> None:
    put_kernel(cache, "a" * 12, b"x", "2030-01-01T00:00:00+00:00")
    put_kernel(cache, "b" * 12, b"x", "2030-01-02T00:00:00+00:00")
    leftover(cache)
    assert [kernel.id for kernel in cache.all()] == ["b" * 12, "a" * 12]


def test_a_finished_build_takes_the_place_of_a_damaged_one(cache: Cache) -> None:
    damaged = cache.kernels / KERNEL_ID
    damaged.mkdir()
    (damaged / "half").write_text("")
    with cache.kernel_artifacts.building(KERNEL_ID) as area:
        (area / "whole").mkdir()
        (area / "whole" / "linux").write_text("kernel")
        cache.kernel_artifacts.publish(area / "whole", KERNEL_ID)
    assert [file.name for file in damaged.iterdir()] == ["linux"]
    assert not area.exists()


def test_a_build_that_is_interrupted_leaves_nothing(cache: Cache) -> None:
    with pytest.raises(KeyboardInterrupt), cache.kernel_artifacts.building(KERNEL_ID) as area:
        (area / "source").mkdir()
        raise KeyboardInterrupt
    assert list(cache.kernels.iterdir()) == []


def test_the_second_build_of_a_kernel_waits_for_the_first(cache: Cache) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        with cache.kernel_artifacts.lock(KERNEL_ID, waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with cache.kernel_artifacts.lock(KERNEL_ID, nobody_waits):
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_builds_of_different_kernels_do_not_wait(cache: Cache) -> None:
    with cache.kernel_artifacts.lock(KERNEL_ID, nobody_waits), cache.kernel_artifacts.lock("f" * 12, nobody_waits):
        pass


def test_the_leftover_of_a_killed_build_is_removed(cache: Cache) -> None:
    folder = leftover(cache)
    (cache.kernels / f".lock-{KERNEL_ID}").touch()
    kept = put_kernel(cache, KERNEL_ID, b"kernel")
    cache.kernel_artifacts.remove_leftovers()
    assert not folder.exists()
    assert kept.exists()


def test_a_build_under_way_is_not_taken_for_a_leftover(cache: Cache) -> None:
    folder = leftover(cache)
    with cache.kernel_artifacts.lock(KERNEL_ID, nobody_waits):
        cache.kernel_artifacts.remove_leftovers()
    assert folder.exists()


def test_a_full_disk_is_a_prerequisite_with_path_and_need(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(cache.root)._replace(free=1_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    cache.require_space(1_000_000_000)
    with pytest.raises(PrerequisiteError) as caught:
        cache.require_space(3_000_000_000)
    assert f"{cache.root} has 1.0 GB free, the kernel build needs 3.0 GB" in str(caught.value)


def test_a_cache_that_cannot_be_written_is_a_prerequisite(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match=r"cannot be written.*TESTBED_CACHE"):
        Cache(tmp_path / "file" / "cache").prepare()


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"TESTBED_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/mptcp-lb-testbed"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/mptcp-lb-testbed"),
        ({"HOME": "/c"}, "/c/.cache/mptcp-lb-testbed"),
    ],
)
def test_the_environment_says_where_the_cache_is(environment: dict[str, str], root: str) -> None:
    assert default_cache(environment).root == Path(root)


def test_no_home_directory_is_a_prerequisite() -> None:
    with pytest.raises(PrerequisiteError, match="TESTBED_CACHE"):
        default_cache({})


def test_a_relative_cache_directory_is_made_absolute() -> None:
    assert default_cache({"TESTBED_CACHE": "here"}).root == Path.cwd() / "here"
