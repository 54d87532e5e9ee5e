from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from testbed import doctor
from testbed.doctor import Check


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
    from experiments.cli import main

    monkeypatch.setattr(doctor, "examine", lambda _needs: iter([Check("a", True), Check("b", False, "gone", "get it")]))
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


@pytest.mark.parametrize("version", ["12", "13"])
def test_both_releases_of_debian_are_home(tmp_path: Path, version: str) -> None:
    path = tmp_path / "os-release"
    path.write_text(f'PRETTY_NAME="Debian GNU/Linux {version}"\nID=debian\nVERSION_ID="{version}"\n')
    assert doctor.release(path) == Check("release", True, f"Debian GNU/Linux {version}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nID=debian\nVERSION_ID="11"\n',
            "Debian GNU/Linux 11 (bullseye)",
        ),
        ("PRETTY_NAME='Ubuntu 24.04'\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"13\"\n", "Ubuntu 24.04"),
        ("PRETTY_NAME=\x1b[31mred\n", "\\x1b[31mred"),
        ("ID=debian\n", "debian"),
        ("no assignment\n", "unknown"),
    ],
)
def test_another_release_is_named_and_is_no_failure(tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / "os-release"
    path.write_text(text)
    check = doctor.release(path)
    assert check.ok and check.detail.startswith(name)
    assert "not one of those that the testbed is tried on, Debian 12 and 13" in check.detail


def test_a_machine_that_does_not_say_what_it_is_is_no_failure(tmp_path: Path) -> None:
    assert doctor.release(tmp_path / "missing").ok
