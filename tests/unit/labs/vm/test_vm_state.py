"""The lab VM's directory: where it lies, who holds what, and what killed commands leave."""

from __future__ import annotations

from pathlib import Path

import pytest
import vm_maker

from testbed.errors import PrerequisiteError, UsageError
from testbed.labs.vm.state import State, default_state


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "the vm")


def test_it_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TESTBED_VM", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert default_state().folder == tmp_path / ".local/state/mptcp-lb-testbed/vm"
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert default_state().folder == Path("/somewhere/mptcp-lb-testbed/vm")
    monkeypatch.setenv("TESTBED_VM", "/elsewhere")
    assert default_state().folder == Path("/elsewhere")


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PrerequisiteError, match=r"file/vm: Not a directory \(set TESTBED_VM"):
        State(tmp_path / "file" / "vm").prepare()


def test_a_machine_lives_as_long_as_its_process(state: State) -> None:
    assert not state.is_alive()
    with vm_maker.alive(state):
        assert state.is_alive()
    assert not state.is_alive()


def test_a_machine_in_use_is_not_taken_away(state: State) -> None:
    state.prepare()
    with state.used(), state.used(), pytest.raises(UsageError, match="in use by a run"), state.unused():
        pytest.fail("it was given")
    with state.unused():
        pass


def test_what_killed_commands_left_goes_and_what_is_whole_stays(state: State) -> None:
    vm_maker.built(state)
    state.disk.touch()
    half = state.folder / ".building-image-4194305"
    half.mkdir()
    state.record.write_text("{}")
    assert state.remove_leftovers() == [half, state.record]
    assert state.remove_leftovers() == []
    assert (state.image / "manifest.json").exists() and state.disk.exists()


def test_a_build_under_way_and_a_living_machine_are_left_alone(state: State) -> None:
    vm_maker.built(state)
    with vm_maker.alive(state), state.shelf.lock("image", lambda: None), state.shelf.building("image") as area:
        assert state.remove_leftovers() == []
        assert area.exists() and state.record.exists()


def test_a_directory_of_nothing_but_locks_goes(state: State) -> None:
    with state.changing():
        pass
    assert state.remove_leftovers() == []
    assert not state.folder.exists()
