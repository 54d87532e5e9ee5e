"""`testbed report --out FILE` replaces a report, and nothing else that has the name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.api import reporting
from experiments.free_path import require_free
from testbed.base.errors import UsageError


def require_free_for_report(path: Path) -> None:
    require_free(path, "a report", reporting._is_report, begins=reporting._BEGINNING)


@pytest.mark.parametrize("kind", ["file", "empty", "link", "dangling", "fifo", "directory"])
def test_what_is_no_report_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "page"
    if kind in ("file", "empty"):
        path.write_text("mine" if kind == "file" else "")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / kind)
    if kind == "link":
        (tmp_path / kind).write_text('<meta name="generator" content="testbed report">')
    with pytest.raises(UsageError, match="it is there already, and "):
        require_free_for_report(path)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/stdout"])
def test_a_device_is_never_replaced(device: str) -> None:
    with pytest.raises(UsageError, match="it is there already, and "):
        require_free_for_report(Path(device))


def test_a_report_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "page"
    require_free_for_report(path)
    path.write_text('<!DOCTYPE html>\n<head>\n<meta name="generator" content="testbed report">\n')
    require_free_for_report(path)
    path.write_text('<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Report: x</title>')
    require_free_for_report(path)
