"""Jobs on another machine: output, status, files, points; nothing is left there but toolkit and kernel."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ssh_host import Host, ours, settles
from ssh_user import Here

from testbed.record.large_reads import read_large_reads
from testbed.tools import large_reads

pytestmark = pytest.mark.usefixtures("provided")

ROOT_ONLY = pytest.mark.skipif("os.geteuid() != 0", reason="the other side's local lab needs root")
POINT = (
    "fig07",
    "--set",
    "workload.sizes=1000 KB",
    "--set",
    "workload.total=10 MB",
    "--set",
    "topology.client_director.rate=50Mbit/s",
)


def leftovers(host: Host) -> list[str]:
    """What is there beside toolkits and kernels."""
    return [str(path) for name in ("jobs", "incoming") for path in (host.cache / "ssh" / name).glob("*")]


def test_toolkit_and_kernel_are_sent_once(provided: subprocess.CompletedProcess[str], here: Here, host: Host) -> None:
    assert provided.stderr.count("sending the toolkit") == 1
    assert provided.stderr.count("sending the lab kernel") == 1
    again = here.testbed("exec", "--lab", "ssh:far", "--", "uname", "-r")
    assert (again.returncode, again.stdout, again.stderr) == (0, provided.stdout, "")
    (toolkit,) = (host.cache / "ssh" / "toolkits").glob("[!.]*")
    assert (toolkit / "bin" / "python").exists()
    assert leftovers(host) == []
    assert settles(lambda: not ours(host), 5)  # the helper of a connection ends with it, once it has started


@ROOT_ONLY
def test_output_input_status_and_files_pass_through(here: Here, host: Host) -> None:
    out = here.work / "out"
    out.mkdir()
    (out / "given").write_text("from here\n")
    script = 'cat; cat "$TESTBED_OUT/given"; echo oops >&2; cd "$TESTBED_OUT"; mkdir "a b"; echo ~ > "a b/home"; exit 7'
    done = here.testbed(
        "exec", "--lab", "ssh:far/local", "-i", "--out", str(out), "--", "sh", "-c", script, input="typed\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "typed\nfrom here\n", "oops\n")
    # A failed command's files come back too.
    assert (out / "a b" / "home").read_text() == f"{host.home}\n"
    assert leftovers(host) == []


@ROOT_ONLY
@pytest.mark.parametrize(
    "way", ["ProxyJump far", "ProxyCommand ssh -F {config} -o UserKnownHostsFile={known} -W %h:%p far"]
)
def test_a_machine_behind_another_one(here: Here, way: str) -> None:
    config, known = here.home / ".ssh" / "config", here.home / ".ssh" / "known_hosts"
    behind = config.read_text().replace("Host far", "Host behind")
    config.write_text(f"{config.read_text()}{behind}  {way.format(config=config, known=known)}\n")
    done = here.testbed("exec", "--lab", "ssh:behind/local", "--", "echo", "hi")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hi\n", "")


def digests(run: Path) -> dict[str, dict[str, str]]:
    return {path.parent.name: json.loads(path.read_text())["files"] for path in run.glob("points/*/digests.json")}


def test_the_library_for_large_reads_is_sent_and_used(here: Here, host: Host) -> None:
    done = here.testbed(
        "run", *POINT, "--set", "workload.large_reads=true", "--lab", "ssh:far", "--jobs", "1", "--out", "large"
    )
    assert done.returncode == 0, done.stderr
    (library,) = (host.cache / "libraries").glob("*/large_reads.so")
    assert library.parent.name == large_reads.identity()
    for point in (here.work / "large" / "points").iterdir():
        counts = read_large_reads(point)
        assert counts.reads > counts.system_calls > 0
    assert leftovers(host) == []


def test_a_part_of_ones_own_travels_with_its_point(here: Here, host: Host) -> None:
    own = "from testbed.directors.ipvs_nat import IpvsNat\n\n\nclass Mine(IpvsNat):\n    service_path = 'my own path'\n"
    (here.work / "mine.py").write_text(own)
    tiny = ("--set", "workload.total=1 MB", "--set", "protocols=tcp", "--set", "director=./mine.py")
    done = here.testbed("run", *POINT, *tiny, "--lab", "ssh:far", "--out", "own")
    assert done.returncode == 0, done.stderr
    (point,) = (here.work / "own" / "points").iterdir()
    assert (point / "parts" / "director" / "mine.py").read_text() == own
    assert json.loads((point / "point.json").read_text())["traits"]["service_path"] == "my own path"
    assert leftovers(host) == []


def test_two_hosts_share_the_points_and_come_to_the_same_bytes_as_this_machine(here: Here, host: Host) -> None:
    config = here.home / ".ssh" / "config"
    config.write_text(config.read_text() + config.read_text().replace("Host far", "Host other"))
    labs = ("--lab", "ssh:far", "--lab", "ssh:other")
    there = here.testbed("run", *POINT, *labs, "--jobs", "1", "--out", "there")
    assert there.returncode == 0, there.stderr
    ends = [json.loads(path.read_text()) for path in (here.work / "there").glob("points/*/outcome.json")]
    assert sorted(end["lab"] for end in ends) == ["ssh:far", "ssh:other"]
    made = here.testbed("run", *POINT, "--lab", "uml", "--out", "here")
    assert made.returncode == 0, made.stderr
    assert len(digests(here.work / "there")) == 2
    assert digests(here.work / "there") == digests(here.work / "here")
    (far, _other) = json.loads((here.work / "there" / "run.json").read_text())["labs"]
    assert far["kernel"]["id"] and len(far["toolkit_sha256"]) == 64 and far["host"]["python"].startswith("3.")
    assert leftovers(host) == []


def test_the_doctor_looks_there(here: Here) -> None:
    done = here.testbed("doctor", "--lab", "ssh:far")
    assert done.returncode == 0, done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["ok", "guest", "boots"] in [line[:3] for line in lines]
    assert ["ok", "lab", "kernel"] in [line[:3] for line in lines]
