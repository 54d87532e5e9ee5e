"""What docs/security.md says, as far as the code can be asked: bounds, modes, names of directories."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from experiments import toml_source
from testbed.base import files, text
from testbed.labs import cores
from testbed.labs.base import Cancel
from testbed.labs.vm.state import default_state
from testbed.record import manifest, point_id

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "security.md").read_text(encoding="utf-8").split())


def test_the_bounds_are_those_of_the_code() -> None:
    found = re.search(
        r"results has (\d+) MB at most, `run\.json` (\d+) MB, an experiment's file (\d+) MB\. "
        r"JSON is nested (\d+) deep at most, TOML (\d+);",
        PAGE,
    )
    assert found
    said = [int(each) for each in found.groups()]
    mib = 1 << 20
    assert said == [
        files.MOST_BYTES // mib,
        manifest.MOST_BYTES // mib,
        toml_source.MOST_BYTES // mib,
        text.MOST_NESTED,
        toml_source.MOST_NESTED,
    ]


def test_whole_numbers_have_64_bits_and_ids_200_characters() -> None:
    assert "whole numbers have 64 bits" in PAGE and "of 200 characters at most" in PAGE
    assert text.parse_json(str(2**64 - 1)) == 2**64 - 1
    with pytest.raises(ValueError):
        text.parse_json(str(2**64))
    assert point_id.is_point_id("a" * 200)
    assert not point_id.is_point_id("a" * 201)


def test_the_locks_of_cores_are_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "`mptcp-testbed-cores-UID` in `$TMPDIR`, mode 0700" in PAGE
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with cores.lease(Cancel()):
        (folder,) = tmp_path.iterdir()
        assert folder.name.startswith("mptcp-testbed-cores-")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_vm_lies_where_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "`~/.local/state/mptcp-lb-testbed/vm`" in PAGE
    monkeypatch.delenv("TESTBED_VM", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert default_state().folder == Path("/home/me/.local/state/mptcp-lb-testbed/vm")


def test_packages_are_installed_by_their_hashes() -> None:
    assert "pip's `--require-hashes`" in PAGE
    assert "--require-hashes" in (ROOT / ".ci" / "install-locked").read_text(encoding="utf-8")


def test_the_page_is_linked_and_the_labs_page_agrees() -> None:
    assert "docs/security.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "no security boundary" in " ".join((ROOT / "docs/labs/uml.md").read_text(encoding="utf-8").split())
