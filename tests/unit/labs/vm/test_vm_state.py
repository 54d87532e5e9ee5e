"""The lab VM's directory: where it lies, who holds what, and what killed commands leave."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import vm_maker

from testbed.base.errors import PrerequisiteError, UsageError
from testbed.labs.vm import machine
from testbed.labs.vm.machine import remove_leftovers
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
    assert default_state().folder == Path("/elsewhere/mptcp-lb-testbed-vm")


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
    with (
        state.shared_use(),
        state.shared_use(),
        pytest.raises(UsageError, match="in use by a run"),
        state.exclusive_use(),
    ):
        pytest.fail("it was given")
    with state.exclusive_use():
        pass


def test_what_killed_commands_left_goes_and_what_is_whole_stays(state: State) -> None:
    vm_maker.built(state)
    state.disk.touch()
    half = state.folder / ".building-image-4194305"
    half.mkdir()
    state.record.write_text("{}")
    assert remove_leftovers(state) == [half, state.record]
    assert remove_leftovers(state) == []
    assert (state.image / "manifest.json").exists() and state.disk.exists()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_build_under_way_and_a_living_machine_are_left_alone(state: State, is_first: bool) -> None:
    if not is_first:
        vm_maker.built(state)
    with vm_maker.alive(state), state.build_lock(lambda: None), state.image_artifacts.building("image") as area:
        assert remove_leftovers(state) == []
        assert area.exists() and state.record.exists()


def test_a_directory_of_nothing_but_locks_goes(state: State) -> None:
    with state.machine_lock():
        pass
    assert remove_leftovers(state) == []
    assert not state.folder.exists()


def test_nobody_waits_for_a_lock_whose_directory_was_removed(state: State) -> None:
    """Who waited while somebody removed everything must be alone with what is made anew, too."""
    waiting, inside, done = threading.Event(), threading.Event(), threading.Event()

    def other() -> None:
        with state.machine_lock(waiting.set):
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    with state.machine_lock():
        thread.start()
        assert waiting.wait(10)
        state.remove()
    assert inside.wait(10) and state.folder.is_dir()
    try:
        with pytest.raises(UsageError, match="another command is at work"), state.machine_lock_at_once():
            pytest.fail("two of them")
    finally:
        done.set()
        thread.join(10)


def test_an_error_of_the_block_is_not_taken_for_a_lock_that_is_held(state: State) -> None:
    for held in (state.machine_lock, state.exclusive_use):
        state.prepare()
        with pytest.raises(BlockingIOError, match="mine"), held():
            raise BlockingIOError("mine")


def test_what_is_removed_is_ours_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    foreign = tmp_path / "photos" / "image" / "one.png"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    monkeypatch.setenv("TESTBED_VM", str(tmp_path / "photos"))
    state = default_state()
    assert remove_leftovers(state) == [] and not machine.destroy(state, report=lambda _what: None)
    vm_maker.built(state)
    assert machine.destroy(state, report=lambda _what: None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [foreign]


def test_what_a_user_has_put_into_our_directory_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TESTBED_VM", str(tmp_path))
    state = default_state()
    state.folder.mkdir()
    foreign = state.folder / "notes.txt"
    foreign.touch()
    assert remove_leftovers(state) == []
    vm_maker.built(state)
    assert machine.destroy(state, report=lambda _what: None)
    assert list(state.folder.iterdir()) == [foreign]


def test_a_directory_in_which_others_may_write_is_not_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TESTBED_VM", str(tmp_path))
    (tmp_path / "mptcp-lb-testbed-vm").mkdir()
    (tmp_path / "mptcp-lb-testbed-vm").chmod(0o757)
    with pytest.raises(PrerequisiteError, match=r"everybody may write there \(set TESTBED_VM"):
        default_state()


def test_a_link_in_our_place_is_not_followed(state: State, tmp_path: Path) -> None:
    elsewhere = State(tmp_path / "elsewhere")
    vm_maker.built(elsewhere)
    state.folder.symlink_to(elsewhere.folder)
    with pytest.raises(PrerequisiteError, match="is a symbolic link"):
        machine.destroy(state, report=lambda _what: None)
    assert (elsewhere.image / "manifest.json").exists()


def test_the_default_directory_goes_with_its_own_parent_and_no_other(tmp_path: Path) -> None:
    state = State(tmp_path / "mptcp-lb-testbed" / "vm")
    vm_maker.built(state)
    state.remove()
    assert list(tmp_path.iterdir()) == []
    vm_maker.built(state)
    (state.folder.parent / "else").touch()
    state.remove()
    assert list(state.folder.parent.iterdir()) == [state.folder.parent / "else"]


def test_nothing_is_removed_while_it_is_built(state: State) -> None:
    vm_maker.built(state)
    with state.build_lock(lambda: None), pytest.raises(UsageError, match="image is being built"):
        machine.destroy(state, report=lambda _what: None)
    assert state.image.exists()
