"""Which kernel source is taken, and how it arrives: with programs that play apt, and a lock of the test's own."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from testbed.base.errors import ConfigError, PrerequisiteError
from testbed.kernel import apt as apt_of
from testbed.kernel import download, source, source_lock
from testbed.kernel.progress import silent
from testbed.kernel.release import RELEASES, Release
from testbed.kernel.source import DebianSource
from testbed.kernel.source_choice import candidates
from testbed.kernel.source_lock import LockedSource

CONTENT = b"the locked bytes\n"
LOCK = LockedSource(
    package="linux-source-6.12",
    version="6.12.7-1",
    file="pool/main/l/linux/linux-source-6.12_6.12.7-1_all.deb",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)
KNOWN = """\
linux-source-6.12 | 6.12.5-1 | http://mirror/debian trixie/main amd64 Packages
linux-source-6.12 | 6.12.10-1 | http://mirror/debian trixie/main amd64 Packages
linux-source-6.12 | 6.12.10-1 | http://mirror/security trixie/main amd64 Packages
linux-source-6.12 | 6.12.11-1 | http://mirror/debian trixie/main Sources
"""


def release_with(lock: LockedSource, folder: Path, suite: str = "") -> Release:
    """Linux 6.12 with a lock of the test's own."""
    lines = [f"{name} = {value!r}\n" for name, value in lock.model_dump().items()]
    (folder / "kernel-source-6.12.toml").write_text("".join(lines), encoding="utf-8")
    return Release("6.12", suite, lock_folder=folder)


def put_program(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of apt: two mirrors, of which the second has the locked file; every call to one is noted in `calls`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    put_program(folder, "apt-cache", f"[ $1 != madison ] || cat <<'END'\n{KNOWN}END")
    note = f'echo "$@" >>{tmp_path / "calls"}'
    put_program(
        folder,
        "apt-get",
        f"if [ $1 = indextargets ]; then echo 'Other http://elsewhere/'; echo 'Debian http://first/'; "
        f"echo 'Debian http://second/'; exit; fi\n{note}\n"
        'echo new >"linux-source-6.12_${2#*=}_all.deb"',
    )
    helper = put_program(
        folder,
        "apt-helper",
        f'{note}\ncase $2 in http://second/*) printf "{CONTENT.decode()}" >"$3"; exit;; esac\n'
        'echo "E: 404" >&2; exit 100',
    )
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(apt_of, "HELPER", str(helper))
    (tmp_path / "downloads").mkdir()
    return folder


@pytest.fixture
def downloads(apt: Path, tmp_path: Path) -> Path:
    return tmp_path / "downloads"


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return release_with(LOCK, tmp_path)


def without_the_locked_one(apt: Path) -> None:
    put_program(apt, "apt-helper", "echo 'E: Failed to fetch 404' >&2; exit 100")


def put(downloads: Path, version: str, content: bytes = b"") -> Path:
    file = downloads / f"linux-source-6.12_{version.replace(':', '%3a')}_all.deb"
    file.write_bytes(content)
    return file


def chosen(downloads: Path, release: Release, *, update: bool | None = None) -> list[str]:
    found = candidates(downloads, release, silent, has_kernel=lambda _: False, update=update)
    return [each.version for each in found]


@pytest.mark.parametrize("ours", RELEASES.values(), ids=list(RELEASES))
def test_the_locks_of_this_repository_are_of_the_packages_that_are_built(ours: Release) -> None:
    lock = ours.lock()
    assert lock.identity == DebianSource(lock.version, ours).identity
    assert lock.file.endswith(f"/{lock.package}_{lock.version}_all.deb")


@pytest.mark.parametrize("change", ["sha256 = 'no digest'", "file = '../../etc/passwd'", "more = 1", "= ="])
def test_a_lock_that_is_not_one_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "kernel-source.toml"
    lines = [f"{name} = {value!r}" for name, value in LOCK.model_dump().items() if not change.startswith(name)]
    path.write_text("\n".join([*lines, change]), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"kernel-source\.toml"):
        source_lock.read(path)


def test_the_locked_source_comes_from_the_mirror_that_has_it(downloads: Path, tmp_path: Path, release: Release) -> None:
    old = put(downloads, "6.12.4-1")
    file = download.fetch_locked(release, downloads, silent)
    assert file.read_bytes() == CONTENT and not old.exists()
    asked = (tmp_path / "calls").read_text().split("\n")[:-1]
    assert [line.split()[1] for line in asked] == [f"http://first/{LOCK.file}", f"http://second/{LOCK.file}"]
    assert all(line.endswith(f"SHA256:{LOCK.sha256}") for line in asked)


def test_a_machine_with_nothing_takes_the_locked_source(downloads: Path, release: Release) -> None:
    assert chosen(downloads, release)[0] == LOCK.version
    assert [file.name for file in downloads.iterdir()] == ["linux-source-6.12_6.12.7-1_all.deb"]


def test_another_download_makes_way_for_the_locked_source(downloads: Path, release: Release) -> None:
    put(downloads, "6.12.4-1")
    assert chosen(downloads, release)[0] == LOCK.version


def test_where_no_mirror_has_the_locked_source_the_downloaded_and_then_the_newest_is_tried(
    apt: Path, downloads: Path, release: Release
) -> None:
    without_the_locked_one(apt)
    assert chosen(downloads, release) == ["6.12.10-1", "6.12.5-1"]
    put(downloads, "6.12.4-1")
    assert chosen(downloads, release) == ["6.12.4-1", "6.12.10-1", "6.12.5-1"]


def test_what_is_settled_on_is_not_asked_for_again_unless_told_to(
    downloads: Path, tmp_path: Path, release: Release
) -> None:
    put(downloads, "6.12.10-1")
    download.pin(DebianSource("6.12.10-1", release), downloads)
    assert chosen(downloads, release)[0] == "6.12.10-1" and not (tmp_path / "calls").exists()
    assert chosen(downloads, release, update=False)[0] == LOCK.version
    download.pin(DebianSource(LOCK.version, release), downloads)
    assert not download.has_pin(downloads, release)


def test_a_new_lock_is_asked_for_though_another_version_was_settled_on(downloads: Path, tmp_path: Path) -> None:
    put(downloads, "6.12.4-1")
    before = release_with(LOCK.model_copy(update={"sha256": "0" * 64}), tmp_path)
    download.pin(DebianSource("6.12.4-1", before), downloads)
    release = release_with(LOCK, tmp_path)
    assert chosen(downloads, release)[0] == LOCK.version


def test_the_newest_is_taken_on_request(downloads: Path, release: Release) -> None:
    put(downloads, LOCK.version, CONTENT)
    assert chosen(downloads, release, update=True)[0] == "6.12.10-1"


def test_a_kernel_of_the_locked_source_needs_no_download(downloads: Path, tmp_path: Path, release: Release) -> None:
    found = candidates(downloads, release, silent, has_kernel=lambda _: True)
    assert next(found).version == LOCK.version and not (tmp_path / "calls").exists()


def test_a_locked_file_with_other_bytes_is_fetched_anew(downloads: Path, release: Release) -> None:
    put(downloads, LOCK.version, b"other bytes")
    file = download.fetch(DebianSource(LOCK.version, release), downloads, silent)
    assert file.read_bytes() == CONTENT


def test_the_downloaded_source_counts_and_apt_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: Release
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    put(tmp_path, "1:6.12.9-1~deb12u1")
    assert source.at_hand(tmp_path, release) == [DebianSource("1:6.12.9-1~deb12u1", release)]
    put(tmp_path, LOCK.version)
    assert source.at_hand(tmp_path, release) == [DebianSource(LOCK.version, release)]


def test_without_apt_the_missing_source_is_a_prerequisite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: Release
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source.at_hand(tmp_path, release) == [DebianSource(LOCK.version, release)]
    with pytest.raises(PrerequisiteError, match=r"no apt .*--source DIR"):
        apt_of.versions(release, tmp_path)


def test_a_package_that_apt_does_not_know_asks_for_an_update(apt: Path, tmp_path: Path, release: Release) -> None:
    put_program(apt, "apt-cache", "exit 0")
    with pytest.raises(PrerequisiteError, match="apt-get update"):
        apt_of.versions(release, tmp_path)


def test_a_download_arrives_whole_and_replaces_the_old_one(downloads: Path, release: Release) -> None:
    put(downloads, "6.12.4-1", b"old")
    file = download.fetch(DebianSource("6.12.5-1", release), downloads, silent)
    assert file.read_text() == "new\n"
    assert list(downloads.iterdir()) == [file]


def test_a_failed_download_says_why_and_leaves_what_was_there(apt: Path, downloads: Path, release: Release) -> None:
    old = put(downloads, "6.12.4-1", b"old")
    put_program(apt, "apt-get", "echo part > a.deb; echo 'E: Failed to fetch x  404  Not Found' >&2; exit 100")
    with pytest.raises(PrerequisiteError, match=r"E: Failed to fetch x  404.*apt-get update"):
        download.fetch(DebianSource("6.12.5-1", release), downloads, silent)
    assert list(downloads.iterdir()) == [old]


SUITE_APT = """\
case "$*" in
    indextargets*) echo 'Debian http://security/'; echo 'Debian http://second/'; exit ;;
    *update) echo "$(grep -h URIs {folder}/suite.sources)" >>{calls}
             grep -q http://second/ {folder}/suite.sources || { echo 'E: no such suite' >&2; exit 100; } ;;
    *) echo "$@" >>{calls}; echo new >"linux-source-6.12_6.12.10-1_all.deb" ;;
esac"""


def test_a_package_of_another_suite_is_found_by_sources_of_its_own(apt: Path, downloads: Path, tmp_path: Path) -> None:
    release = release_with(LOCK, tmp_path, "trixie-backports")
    folder, calls = downloads / ".apt-trixie-backports", tmp_path / "calls"
    put_program(apt, "apt-get", SUITE_APT.replace("{folder}", str(folder)).replace("{calls}", str(calls)))
    put_program(apt, "apt-cache", f'echo "$@" >>{calls}\ncase "$*" in *madison*) cat <<\'END\'\n{KNOWN}END\nesac')
    assert apt_of.versions(release, downloads) == ["6.12.10-1", "6.12.5-1"]
    first, second, asked = calls.read_text().splitlines()
    assert (first, second) == ("URIs: http://security/", "URIs: http://second/")
    assert f"-o Dir::Etc::sourcelist={folder}/suite.sources -o Dir::Etc::sourceparts=-" in asked
    assert "Suites: trixie-backports\n" in (folder / "suite.sources").read_text()
    assert download.fetch(DebianSource("6.12.10-1", release), downloads, silent).read_text() == "new\n"
    assert f"-o Dir::State::lists={folder}/lists" in calls.read_text().splitlines()[-1]


def test_a_suite_that_no_mirror_has_is_a_prerequisite_with_the_first_reason(apt: Path, tmp_path: Path) -> None:
    mirrors = "echo 'Debian http://a'; echo 'Debian http://b'"
    put_program(apt, "apt-get", f"case $1 in indextargets) {mirrors};; *) echo 'E: 404' >&2; exit 100;; esac")
    with pytest.raises(PrerequisiteError, match=r"trixie-backports cannot be fetched from http://a: E: 404"):
        apt_of.versions(release_with(LOCK, tmp_path, "trixie-backports"), tmp_path)


def test_two_releases_settle_on_their_sources_apart(downloads: Path, release: Release) -> None:
    other = RELEASES["7.3"]
    download.pin(DebianSource("6.12.4-1", release), downloads)
    download.pin(DebianSource("7.3.9-1", other), downloads)
    assert download.has_pin(downloads, release) and download.has_pin(downloads, other)
    put(downloads, LOCK.version, CONTENT)
    assert source.at_hand(downloads, other) == [DebianSource(other.lock().version, other)]
