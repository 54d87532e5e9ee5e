"""The lists of Debian packages, and what dpkg says of them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from testbed.base.errors import CommandError, PrerequisiteError
from testbed.debian_packages import debian_packages, install_missing, package_versions


def test_the_list_of_packages_has_no_comments() -> None:
    names = debian_packages()
    assert "lighttpd" in names
    assert all(name.isascii() and " " not in name and "#" not in name for name in names)


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert package_versions(["no-such-package-anywhere"]) == {}


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What an `apt-get` that installs nothing was asked for, a line each."""
    log = tmp_path / "log"
    (tmp_path / "apt-get").write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >>{shlex.quote(str(log))}\n')
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return log


def test_what_is_missing_is_installed_in_one_go(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said: list[str] = []
    install_missing(["coreutils", "no-such-package", "nor-this-one", "no-such-package"], said.append)
    assert apt.read_text().splitlines() == [
        "noninteractive -q update",
        "noninteractive -q install -y --no-install-recommends no-such-package nor-this-one",
    ]
    assert said == ["installing Debian packages: no-such-package nor-this-one"]


def test_who_is_not_root_is_told_the_one_command(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PrerequisiteError, match="missing: no-such-package") as refused:
        install_missing(["coreutils", "no-such-package"], lambda _: None)
    assert refused.value.hint.endswith("apt-get install --no-install-recommends no-such-package")
    assert not apt.exists()


def test_where_nothing_is_missing_nothing_is_asked_for(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    install_missing(["coreutils"], pytest.fail)
    assert not apt.exists()


def test_what_apt_says_is_passed_on(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (apt.parent / "apt-get").write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    with pytest.raises(CommandError, match="Unable to locate package"):
        install_missing(["no-such-package"], lambda _: None)


def test_a_system_without_dpkg_is_told_what_to_see_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    install_missing(["coreutils"], said.append)
    assert said == ["this is no Debian: see to it that it has what these packages bring: coreutils"]
