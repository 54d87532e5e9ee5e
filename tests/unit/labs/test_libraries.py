"""The library for large reads in the labs: had before the first job, found by the job, and sent to other machines."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from testbed.base.errors import LabError, PrerequisiteError
from testbed.kernel.cache import Cache
from testbed.labs import libraries, probes, uml, uml_boot
from testbed.labs.base import Job
from testbed.labs.features import judge, require
from testbed.labs.ssh import provisioning
from testbed.labs.ssh.provisioning import Machine
from testbed.labs.ssh.remote import commands
from testbed.net import mptcp
from testbed.tools import large_reads


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    return Cache(tmp_path / "cache")


def test_it_is_built_for_those_alone_who_ask_for_it(cache: Cache) -> None:
    assert libraries.require(mptcp.NEEDS) is None
    assert large_reads.find(cache) is None
    assert libraries.environment() == {}
    assert libraries.require([*mptcp.NEEDS, large_reads.NEED]) == large_reads.find(cache)
    assert libraries.environment() == {large_reads.FOLDER_VARIABLE: str(cache.libraries)}


def test_a_lab_that_cannot_have_it_refuses_before_anything_starts(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = uml.UmlLab(Path("/bin/true"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="library for large reads cannot be built: gcc is not installed") as no:
        lab.require([large_reads.NEED])
    assert "\n" not in no.value.message and "testbed setup" in no.value.hint


def test_a_guest_sees_it_where_the_guest_hides_that_place(cache: Cache, tmp_path: Path) -> None:
    libraries.require([large_reads.NEED])
    assert str(cache.libraries) in uml_boot.toolkit_paths(Job(("true",), tmp_path))


def test_it_is_tried_for_real(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = judge(large_reads.NEED, probes.examine(large_reads.NEED), lambda _name: False)
    with pytest.raises(PrerequisiteError, match="lacks library for large reads") as no:
        require([missing], "the lab")
    assert no.value.hint == large_reads.NEED.cure
    library = libraries.require([large_reads.NEED])
    assert library is not None
    for name, text in libraries.environment().items():
        monkeypatch.setenv(name, text)
    whole = library.read_bytes()
    library.write_bytes(whole[:100])
    assert "large_reads.so: " in probes.examine(large_reads.NEED)
    library.write_bytes(whole)
    assert probes.examine(large_reads.NEED) == ""


class There:
    """The other side, whose commands are called without a connection: its cache is another directory."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache, self.address = Cache(root / "cache"), "far"
        self.incoming = root / "incoming"
        self.asked: list[str] = []
        monkeypatch.setattr(commands.layout, "cache_root", lambda: self.cache.root)
        monkeypatch.setattr(provisioning, "call", self.call)
        monkeypatch.setattr(provisioning, "call_bootstrap", lambda *_what: str(self.incoming))
        monkeypatch.setattr(provisioning.transfer, "send", self.send)

    def call(self, _connection: There, _toolkit: str, action: str, arguments: Mapping[str, str]) -> object:
        self.asked.append(action)
        return commands.ACTIONS[action](**arguments)

    def send(self, _connection: There, files: Mapping[str, Path]) -> None:
        for target, source in files.items():
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def provide(self, library: Path, machine: str) -> None:
        there = Machine("far", "boot", machine, "Linux", 1, str(self.cache.root))
        provisioning.provide_library(self, "toolkit", library, machine=there, owner="owner")  # type: ignore[arg-type]


@pytest.fixture
def there(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> There:
    return There(tmp_path / "far", monkeypatch)


def test_it_is_sent_once_and_known_by_its_source(cache: Cache, there: There) -> None:
    library = large_reads.ensure(cache)
    there.provide(library, os.uname().machine)
    arrived = large_reads.find(there.cache)
    assert arrived is not None and arrived.read_bytes() == library.read_bytes()
    assert list(there.incoming.iterdir()) == []
    there.asked.clear()
    there.provide(library, os.uname().machine)
    assert there.asked == ["has_library"]


def test_a_machine_of_another_kind_builds_its_own(cache: Cache, there: There) -> None:
    there.provide(large_reads.ensure(cache), "aarch64")
    assert there.asked == ["has_library", "build_library"]
    assert large_reads.find(there.cache) is not None


@pytest.mark.parametrize(("damage", "error"), [("changed", LabError), ("cannot be loaded", PrerequisiteError)])
def test_what_arrives_otherwise_is_refused(
    damage: str, error: type[Exception], cache: Cache, there: There, tmp_path: Path
) -> None:
    library = large_reads.ensure(cache)
    sent = tmp_path / "sent.so"
    sent.write_bytes(library.read_bytes()[:200])
    digest = hashlib.sha256((library if damage == "changed" else sent).read_bytes()).hexdigest()
    with pytest.raises(error, match="large reads"):
        commands.install_library(large_reads.identity(), str(sent), digest)
    assert large_reads.find(there.cache) is None
