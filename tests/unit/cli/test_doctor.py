from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from testbed import doctor
from testbed.doctor import Check


def test_the_list_of_packages_has_no_comments() -> None:
    names = doctor.debian_packages()
    assert "lighttpd" in names
    assert all(name.isascii() and " " not in name and "#" not in name for name in names)


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert doctor.package_versions(["no-such-package-anywhere"]) == {}


def test_memory_that_forbids_programs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoExec:
        f_bavail, f_frsize, f_flag = 1 << 30, 4096, os.ST_NOEXEC

    monkeypatch.setattr(os, "statvfs", lambda _path: NoExec)
    check = doctor.memory(tmp_path)
    assert (check.ok, check.detail) == (False, "mounted noexec")


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert not doctor.disk(tmp_path).ok


def test_what_is_missing_comes_with_a_cure_and_status_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from testbed.cli import main

    monkeypatch.setattr(doctor, "examine", lambda: iter([Check("a", True), Check("b", False, "gone", "get it")]))
    with pytest.raises(SystemExit) as ended:
        main.main(["doctor"])
    assert ended.value.code == 3
    assert "-> get it" in capsys.readouterr().out


def test_the_ssh_labs_packages_are_named_with_the_cure_but_nothing_else_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "package_versions", lambda _names: {})
    check = doctor.ssh_packages()
    assert check.ok and "openssh-client not installed: run as root: apt-get install openssh-client" in check.detail
