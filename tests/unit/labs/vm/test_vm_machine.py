"""The lab VM's process: how it is started, told from others, and ended; and which accelerator it gets."""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import vm_maker

from testbed.base.errors import CommandError, GuestTimeout, PrerequisiteError, UsageError
from testbed.labs import cores
from testbed.labs.vm import accelerator, machine, qemu
from testbed.labs.vm.accelerator import Accelerator
from testbed.labs.vm.qemu import MachineOptions
from testbed.labs.vm.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "the vm")


def quiet(_what: str) -> None:
    pass


def after(flag: str, argv: list[str]) -> str:
    return argv[argv.index(flag) + 1]


def test_the_machine_can_be_reached_from_here_alone_and_reaches_nothing() -> None:
    argv = qemu.command(Path("/k/bzImage"), MachineOptions(1024, 3), Accelerator("tcg", "why"), 40022)
    assert after("-netdev", argv) == "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:40022-:22"
    assert (after("-m", argv), after("-smp", argv), after("-kernel", argv)) == ("1024", "3", "/k/bzImage")
    assert after("-append", argv) == "root=/dev/vda rw console=ttyS0 panic=-1"
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(argv)


def test_each_accelerator_has_its_processor() -> None:
    assert Accelerator("kvm").arguments == ["-accel", "kvm", "-cpu", "host"]
    assert Accelerator("tcg", "why").arguments == ["-accel", "tcg,thread=multi", "-cpu", "max"]


def failing(error: Exception) -> Callable[[], str]:
    def boot() -> str:
        raise error

    return boot


MSR = "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\nqemu: Assertion `ret' failed.\n"


@pytest.mark.parametrize(
    ("boot", "name", "why"),
    [
        (lambda: "[ 0.9] Kernel panic - not syncing: VFS: Unable to mount root fs", "kvm", ""),
        (lambda: "[ 0.1] Linux version 6.12\n[ 0.2] stuck here", "tcg", "does not come up with KVM: [ 0.2] stuck here"),
        (lambda: "", "tcg", "it says nothing"),
        (failing(GuestTimeout("late")), "tcg", "does not boot with KVM within 20 s"),
        (
            failing(CommandError(["qemu"], -6, MSR)),
            "tcg",
            "QEMU fails with KVM: error: failed to set MSR 0x10a to 0x69",
        ),
    ],
)
def test_kvm_is_used_only_where_a_kernel_boots_with_it(boot: Callable[[], str], name: str, why: str) -> None:
    chosen = accelerator.judge(boot)
    assert chosen.name == name and why in chosen.why and bool(chosen.why) == (name == "tcg")


def test_without_the_device_nothing_is_booted(tmp_path: Path) -> None:
    missing = tmp_path / "kvm"
    assert accelerator.choose(tmp_path / "no-kernel", missing) == Accelerator("tcg", f"there is no {missing}")


def test_a_machine_is_found_while_it_lives(state: State) -> None:
    assert machine.find(state) is None
    with vm_maker.alive(state):
        assert machine.find(state) == vm_maker.MACHINE
    assert machine.find(state) is None  # the record is still there


def test_a_machine_that_is_not_up_yet_is_none(state: State) -> None:
    with vm_maker.alive(state, record=None):
        assert machine.find(state) is None


def test_a_number_that_came_again_is_not_taken_for_ours(state: State) -> None:
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        with vm_maker.alive(state) as mine:
            assert qemu.process_id(state) == mine.pid
            (state.folder / "qemu.pid").write_text(str(bystander.pid))
            assert qemu.process_id(state) is None
            (state.folder / "qemu.pid").write_text("not a number")
            assert qemu.process_id(state) is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.fixture
def early(state: State, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A QEMU whose command was killed before it was up: it has not noted its number, and there is no record."""
    qemu = tmp_path / "qemu-system-x86_64"
    shutil.copy("/bin/sleep", qemu)
    state.prepare()
    with state.alive.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = subprocess.Popen([qemu, "1000"], pass_fds=(file.fileno(),))
    yield process
    process.kill()
    process.wait()


def test_a_machine_that_noted_nothing_is_known_by_what_it_holds(
    state: State, early: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    stranger = subprocess.Popen([tmp_path / "qemu-system-x86_64", "1000"])
    try:
        assert qemu.process_id(state) == early.pid
        assert machine.remove_leftovers(state) == []
        assert early.wait(5) != 0 and not state.is_alive()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_machine_that_is_being_started_is_left_alone(state: State, early: subprocess.Popen[bytes]) -> None:
    with state.machine_lock():
        assert machine.remove_leftovers(state) == []
    assert early.poll() is None


def test_a_machine_that_is_up_is_somebodys_wish(state: State) -> None:
    with vm_maker.alive(vm_maker.built(state)) as mine:
        assert machine.remove_leftovers(state) == []
        assert mine.poll() is None and state.record.exists()


def test_all_of_it_goes_but_not_from_under_a_run(state: State) -> None:
    with vm_maker.alive(vm_maker.built(state)) as mine:
        with state.shared_use(), pytest.raises(UsageError, match="in use by a run"):
            machine.destroy(state, report=quiet)
        assert mine.poll() is None and state.image.exists()
        assert machine.destroy(state, report=quiet)
        assert mine.wait(5) != 0
    assert not state.folder.exists()
    assert not machine.destroy(state, report=quiet)


def test_what_does_not_answer_is_ended_by_its_id_and_nothing_else_is(state: State) -> None:
    bystander = subprocess.Popen(["sleep", "1000"], cwd=Path("/"))
    try:
        with vm_maker.alive(state) as mine:
            assert machine.stop(state, report=quiet)
            assert mine.wait(5) != 0
        assert not state.record.exists() and not (state.folder / "qemu.pid").exists()
        assert bystander.poll() is None
        assert not machine.stop(state, report=quiet)
    finally:
        bystander.kill()
        bystander.wait()


def test_a_machine_in_use_is_stopped_only_by_force(state: State) -> None:
    with vm_maker.alive(state) as mine, state.shared_use():
        with pytest.raises(UsageError, match=r"in use by a run \(end the run; stop and destroy take --force\)"):
            machine.stop(state, report=quiet)
        assert mine.poll() is None
        assert machine.stop(state, force=True, report=quiet)


def test_a_machine_that_runs_is_not_started_again(state: State) -> None:
    with vm_maker.alive(vm_maker.built(state)):
        assert machine.start(state, MachineOptions(), report=quiet) == vm_maker.MACHINE
        with machine.started(state, MachineOptions(), report=quiet) as running:
            assert running == vm_maker.MACHINE
        assert state.is_alive()  # it is the user's


def test_a_machine_that_is_not_built_is_one_line(state: State) -> None:
    with pytest.raises(PrerequisiteError, match=r"the lab VM is not built \(run: testbed vm build\)"):
        machine.start(state, MachineOptions(), report=quiet)
    assert not state.is_alive()


@pytest.mark.parametrize(
    ("greeting", "is_ssh"), [(b"SSH-2.0-OpenSSH\r\n", True), (b"220 mail\r\n", False), (b"", False)]
)
def test_it_answers_once_an_ssh_server_says_hello(greeting: bytes, is_ssh: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        assert qemu._speaks_ssh(listener.getsockname()[1]) is is_ssh
        thread.join()


def test_nobody_there_does_not_answer() -> None:
    assert not qemu._speaks_ssh(qemu._free_port())


@pytest.mark.parametrize(("there", "taken"), [([0, 2], 2), (list(range(9)), 4)])
def test_a_machine_has_the_processors_that_may_be_used_and_four_at_most(
    monkeypatch: pytest.MonkeyPatch, there: list[int], taken: int
) -> None:
    monkeypatch.setattr(cores, "available", lambda: there)
    assert MachineOptions().cpus == taken
