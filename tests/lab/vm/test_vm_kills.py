"""SIGKILL of the command line at any moment leaves, after `testbed clean`, nothing that was not meant to stay."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from lab_vm import Vm

KILLS = int(os.environ.get("TESTBED_TEST_KILLS", "4"))
SEED = 20171010
VISIT_S, BOOT_S, BUILD_S = 12.0, 40.0, 60.0  # about as long as the commands below take with QEMU's translator


def kill_at(vm: Vm, after_s: float, *arguments: str) -> int:
    """Kill a command after a while; returns how many processes of ours there were."""
    victim = vm.start(*arguments)
    time.sleep(after_s)
    alive = len(vm.processes())
    victim.kill()
    victim.communicate()
    return alive


def settled(vm: Vm, expected: set[int]) -> None:
    """Wait for the subreapers, which end what they keep when they notice."""
    deadline = time.monotonic() + 20
    while set(vm.processes()) != expected:
        assert time.monotonic() < deadline, vm.processes()
        time.sleep(0.1)


def there(vm: Vm) -> str:
    """What a visit could leave in the machine: jobs, what was being sent, and processes of the toolkit."""
    script = "cd ~/.cache/mptcp-lb-testbed/ssh && ls -A jobs incoming 2>/dev/null; ps -eo args= | grep '[t]oolkits/'"
    return vm.testbed("vm", "ssh", "--", script).stdout


def test_a_run_in_the_users_machine(vm: Vm) -> None:
    vm.ok("vm", "start")
    vm.ok("exec", "--lab", "vm", "--", "true")  # the toolkit is there now
    machine = set(vm.processes())
    chance = random.Random(SEED)
    for number in range(KILLS):
        after_s = VISIT_S * (number + chance.random()) / KILLS
        kill_at(vm, after_s, "exec", "--lab", "vm", "--", "sleep", "100000")
        vm.ok("clean")
        settled(vm, machine)
        assert there(vm) == "jobs:\n\nincoming:\n" or "jobs" not in there(vm), there(vm)
    assert vm.ok("vm", "stop") == "stopped\n"
    settled(vm, set())


def test_a_run_with_a_machine_of_its_own(vm: Vm) -> None:
    bystander = subprocess.Popen(["sleep", "100000"])
    foreign = vm.folder.parent / "mptcp-testbed-notes"
    foreign.mkdir(exist_ok=True)
    chance = random.Random(SEED)
    most = 0
    try:
        for number in range(KILLS):
            after_s = BOOT_S * (number + chance.random()) / KILLS
            most = max(most, kill_at(vm, after_s, "exec", "--lab", "vm", "--", "sleep", "100000"))
            settled(vm, set())  # even without cleaning
            vm.ok("clean")
            left = {path.name for path in vm.folder.iterdir()} & {"machine.json", "qemu.pid", "qmp.sock"}
            assert left == set() and list((vm.work / "tmp").iterdir()) == []
        assert most >= 3  # the command, its subreaper and QEMU: the kills have hit something
        assert bystander.poll() is None and foreign.is_dir()
    finally:
        bystander.kill()
        bystander.wait()
    assert json.loads(vm.ok("vm", "status", "--json"))["machine"] is None


def test_a_build(vm: Vm, tmp_path: Path) -> None:
    other = Vm(tmp_path / "another vm", tmp_path)
    (tmp_path / "tmp").mkdir()
    chance = random.Random(SEED)
    count = max(2, KILLS // 6)
    for number in range(count):
        kill_at(other, BUILD_S * (number + chance.random()) / count, "vm", "build")
        settled(other, set())
        assert other.mounts() == []
        other.ok("clean")
        assert not other.folder.exists() or (other.folder / "image").exists()
        assert list((tmp_path / "tmp").iterdir()) == []
    other.ok("vm", "destroy")
    assert not other.folder.exists()


def test_starting_the_users_machine(vm: Vm) -> None:
    chance = random.Random(SEED)
    for number in range(max(2, KILLS // 6)):
        kill_at(vm, 1.0 + 8.0 * chance.random() + number, "vm", "start")
        # It may live on: it was to stay. The next command finds it up, or ends it and starts another.
        vm.ok("vm", "start")
        assert len([line for line in vm.processes().values() if line.startswith("qemu-system-x86_64 ")]) == 1
        vm.ok("vm", "stop")
        settled(vm, set())


@pytest.mark.parametrize("damage", ["disk.img", "id_ed25519"])
def test_a_damaged_image_is_one_line(vm: Vm, damage: str) -> None:
    path = vm.folder / "image" / damage
    path.rename(path.with_name("kept"))
    try:
        done = vm.testbed("exec", "--lab", "vm", "--", "true")
        assert done.returncode in (1, 3, 4) and "Traceback" not in done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith(("testbed: error: ", "    "))
        settled(vm, set())
    finally:
        path.with_name("kept").rename(path)
