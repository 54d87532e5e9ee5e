"""The page of the lab VM says what is so: each of its commands is run, in order, and shows the paper's results."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lab_vm import Vm, commands

from testbed.labs.vm.address import ssh_command
from testbed.labs.vm.disk import make_keys
from testbed.labs.vm.state import State


@pytest.fixture(scope="module")
def said(vm: Vm) -> dict[str, str]:
    """What each command printed, by its words; the last one would remove the machine, which other tests need."""
    found = {}
    every = list(commands())
    assert every[-1] == "testbed vm destroy"
    for command in every[:-1]:
        testbed, *arguments = shlex.split(command)
        assert testbed == "testbed"
        done = vm.testbed(*arguments)
        # 6: a point is invalid; `points` says for which reason alone it may be.
        assert done.returncode in ((0, 6) if arguments[0] == "run" else (0,)), (arguments, done.stderr[-2000:])
        found[" ".join(arguments)] = done.stdout
    return found


def points(directory: Path) -> dict[str, dict[str, Any]]:
    """The two points by their protocol; that others kept this machine busy is noted there, but no fault of the lab."""
    summary = json.loads((directory / "summary.json").read_text())["points"]
    reasons = [reason for point in summary for reason in point["invalid_reasons"]]
    assert [reason for reason in reasons if "out of CPU" not in reason and "unevenly" not in reason] == []
    assert all(point["valid"] == (not point["invalid_reasons"]) for point in summary)
    return {point["protocol"]: point for point in summary}


def test_the_machine_runs_the_patched_kernel(said: dict[str, str], vm: Vm) -> None:
    assert said["vm ssh -- sysctl net.mptcp.add_addr_resend_interval"] == "net.mptcp.add_addr_resend_interval = 0\n"
    run = json.loads((vm.work / "vm-lb" / "run.json").read_text())
    assert "0002-" in json.dumps(run) and '"flavour": "x86_64"' in json.dumps(run)


def test_behind_the_load_balancer_mptcp_leaves_the_director(said: dict[str, str], vm: Vm) -> None:
    found = points(vm.work / "vm-lb")
    tcp, mptcp = found["tcp"], found["mptcp"]
    # 5 Mbit/s through the director, 20 Mbit/s past it.
    assert 3.0 <= mptcp["goodput_bps"] / tcp["goodput_bps"] <= 5.0
    assert mptcp["joined"] == mptcp["connections"] >= 20
    assert mptcp["director_bypass_share"] >= 0.9 and tcp["director_bypass_share"] == 0
    assert (tcp["failed_requests"], mptcp["failed_requests"]) == (0, 0)


def test_the_patches_are_in_effect_in_the_point(said: dict[str, str], vm: Vm) -> None:
    (settings,) = (vm.work / "vm-lb").glob("points/*mptcp*/settings.json")
    text = settings.read_text()
    assert '"net.mptcp.lb_mode": "2"' in text
    assert '"net.mptcp.add_addr_resend_interval": "50"' in text


def test_an_anycast_change_breaks_tcp_and_not_mptcp(said: dict[str, str], vm: Vm) -> None:
    found = points(vm.work / "vm-anycast")
    tcp, mptcp = found["tcp"], found["mptcp"]
    assert tcp["failed_requests"] >= 3
    # A slow machine takes a tenth of a second from a SYN to the join; what changes in between still hits a connection.
    unlucky = mptcp["connections"] - mptcp["joined"]
    assert unlucky <= 2 and mptcp["failed_requests"] <= unlucky
    assert mptcp["director_bypass_share"] >= 0.8


def test_the_machine_is_the_users_until_it_is_stopped(said: dict[str, str], vm: Vm) -> None:
    assert "started by you" in said["vm status"]
    assert said["vm stop"] == "stopped\n"
    # In order, by its power button: not because QEMU was killed in the end.
    assert "reboot: Power down" in (vm.folder / "console.log").read_text(errors="replace")
    assert vm.processes() == {}


def test_a_run_starts_a_machine_for_itself_and_it_ends_with_the_run(said: dict[str, str], vm: Vm) -> None:
    command = ("exec", "--lab", "vm", "--", "sh", "-c", "uname -r; cp /etc/hostname $TESTBED_OUT; exit 7")
    done = vm.testbed(*command)
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("6.12.") and "starting the lab VM" in done.stderr
    assert vm.processes() == {}
    assert json.loads(vm.ok("vm", "status", "--json"))["machine"] is None


def test_nothing_can_be_reached_from_the_machine(said: dict[str, str], vm: Vm) -> None:
    vm.ok("vm", "start")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        probe = f"timeout 3 bash -c '</dev/tcp/10.0.2.2/{port}'"
        assert vm.testbed("vm", "ssh", "--", probe).returncode != 0
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()
    vm.ok("vm", "stop")


def test_only_our_key_logs_in_and_only_to_our_machine(said: dict[str, str], vm: Vm, tmp_path: Path) -> None:
    vm.ok("vm", "start")
    state = State(vm.folder)
    argv = ssh_command(state, json.loads(vm.ok("vm", "status", "--json"))["machine"]["port"])
    stranger = make_keys(tmp_path)
    argv[argv.index("-i") + 1] = str(tmp_path / "id_ed25519")
    wrong = subprocess.run([*argv, "true"], capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode == 255 and "Permission denied (publickey)" in wrong.stderr
    known = state.image / "known_hosts"
    right = known.read_text()
    known.write_text(f"testbed-vm {' '.join(stranger.host_public.split()[:2])}\n")
    try:
        for command in (("vm", "ssh", "--", "true"), ("exec", "--lab", "vm", "--", "true")):
            done = vm.testbed(*command)
            assert done.returncode != 0 and "Traceback" not in done.stderr
            assert "host key" in done.stderr.lower(), done.stderr
    finally:
        known.write_text(right)
    vm.ok("vm", "ssh", "--", "true")
    vm.ok("vm", "stop")


def test_the_archive_of_ours_is_not_left(vm: Vm) -> None:
    names = sorted(path.name for path in vm.folder.iterdir() if not path.name.startswith(".lock"))
    assert "image" in names and not [name for name in names if name.startswith(".building")]
    kept = sorted(path.name for path in (vm.folder / "image").iterdir())
    assert kept == ["disk.img", "id_ed25519", "id_ed25519.pub", "known_hosts", "manifest.json", "packages.txt"]
    assert not list(vm.folder.rglob("*.tar"))
