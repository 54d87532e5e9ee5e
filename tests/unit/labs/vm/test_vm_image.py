"""The VM's disk: where Debian comes from, what is ours on it, and what it is called."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import vm_maker

from testbed.base.errors import PrerequisiteError, UsageError
from testbed.labs.vm import address, disk, image, packages, root_files, user_namespace
from testbed.labs.vm.root_files import Keys
from testbed.labs.vm.state import State

KEYS = Keys("HOST PRIVATE", "ssh-ed25519 HOST", "ssh-ed25519 USER")


def test_the_sources_are_those_of_debians_release_and_its_updates() -> None:
    lines = [
        "Debian\tbookworm\t/etc/apt/sources.list.d/debian.sources:1",
        "Debian\tbookworm-updates\t/etc/apt/sources.list.d/debian.sources:1",
        "Debian\tbookworm-security\t/etc/apt/sources.list:7",
        "Debian\ttrixie\t/etc/apt/sources.list.d/next.list:1",
        "Docker\tbookworm\t/etc/apt/sources.list.d/docker.list:1",
        "\t\t/etc/apt/sources.list.d/never-fetched.list:1",
        "",
    ]
    assert packages.usable_sources(lines, "bookworm") == [
        Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"),
    ]  # fmt: skip


def test_the_image_has_the_testbeds_packages_and_a_way_in() -> None:
    assert {"mininet", "lighttpd", "tcpdump", "mptcpize", "openssh-server", "python3-venv"} <= set(packages.names())


def test_mmdebstrap_is_told_all_on_its_command_line() -> None:
    argv = disk.command("bookworm", [Path("/etc/apt/sources.list")], packages.names())
    assert argv[:2] == ["mmdebstrap", "--mode=root"] and argv[-3:] == ["bookworm", "root.tar", "/etc/apt/sources.list"]
    assert f"--include={','.join(packages.names())}" in argv
    hooks = [word for word in argv if word.startswith("--customize-hook=")]
    # The machine's own keys come after those of the installation have gone.
    assert [hooks.index(hook) for hook in hooks if "ssh_host_" in hook or "tar-in" in hook] == [0, 1]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    target = tmp_path_factory.mktemp("ours") / "ours.tar"
    root_files.write(target, KEYS, {"click": "8"})
    with tarfile.open(target) as archive:
        return {
            entry.name: (entry, file.read() if (file := archive.extractfile(entry)) else b"")
            for entry in archive.getmembers()
            if entry.isfile()
        } | {entry.name: (entry, entry.linkname.encode()) for entry in archive.getmembers() if entry.issym()}


def test_everything_of_ours_belongs_to_root(ours: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    assert {(entry.uid, entry.gid) for entry, _ in ours.values()} == {(0, 0)}


def test_the_keys_are_in_their_places_and_private(ours: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    found = {name: (content.decode(), entry.mode) for name, (entry, content) in ours.items() if "ssh" in name}
    assert found["etc/ssh/ssh_host_ed25519_key"] == ("HOST PRIVATE", 0o600)
    assert found["root/.ssh/authorized_keys"] == ("ssh-ed25519 USER", 0o600)
    assert "PasswordAuthentication no" in found["etc/ssh/sshd_config.d/10-testbed.conf"][0]


def test_nothing_on_the_machine_listens_on_the_labs_port(ours: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    assert ours["etc/systemd/system/lighttpd.service"][1] == b"/dev/null"


def test_python_packages_come_along_without_programs(ours: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    bundle = "usr/local/lib/mptcp-lb-testbed/packages"
    mine = {name.removeprefix(f"{bundle}/") for name in ours if name.startswith(bundle)}
    assert "click/core.py" in mine
    assert any(name.startswith("click-") and name.endswith("/METADATA") for name in mine)
    assert not any(".." in name or name.startswith("bin/") for name in mine)


def test_a_package_that_is_not_here_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"package no-such-thing is not installed whole \(run: make venv\)"):
        root_files.write(tmp_path / "ours.tar", KEYS, {"no-such-thing": "1"})


def test_the_bundle_has_all_that_the_toolkit_needs_and_pip() -> None:
    assert {"click", "mininet", "numpy", "pyroute2", "pip"} <= set(image._bundle())


def test_the_image_is_known_by_what_goes_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "codename", lambda: "bookworm")
    before = image.identity()
    assert image.identity() == before and len(before) == 12
    monkeypatch.setattr(packages, "names", lambda _more: ["mininet"])
    assert image.identity() != before


def test_a_finished_image_is_found_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    state = vm_maker.built(State(tmp_path / "vm"))
    assert image.find(state) == vm_maker.MANIFEST
    (state.image / "manifest.json").write_text('{"id": "half a manif')
    assert image.find(state) is None


@pytest.mark.parametrize("size", ["8", "8 G", "0G", "-1G", "10T", "8GB", ""])
def test_a_size_that_is_none(size: str) -> None:
    with pytest.raises(UsageError, match="write for instance 8G"):
        image.check_size(size)
    assert image.check_size("6000M") == "6000M"


def test_no_room_is_one_line_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "SPACE_BYTES", 10**18)
    with pytest.raises(PrerequisiteError, match=r"GB free, building the VM needs .* \(make room, or set TESTBED_VM"):
        image.require_space(tmp_path)


def test_a_user_installs_as_the_root_of_a_namespace_and_root_as_itself() -> None:
    contained = ["--mount", "--pid", "--fork", "--kill-child"]
    assert user_namespace.contained(0) == ["unshare", *contained]
    assert user_namespace.contained(1000) == ["unshare", "--user", "--map-root-user", "--map-auto", *contained]


def test_a_user_without_subordinate_users_is_told_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_namespace, "contained", lambda: ["false"])
    with pytest.raises(PrerequisiteError, match=r"several users cannot be made here: .*usermod --add-subuids"):
        user_namespace.require()


def test_keys_are_made_for_one_image_and_the_machines_own_is_not_kept_here(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first, second = disk.make_keys(one), disk.make_keys(two)
    assert {path.name for path in one.iterdir()} == {"id_ed25519", "id_ed25519.pub", "known_hosts"}
    assert (one / "known_hosts").read_text() == f"testbed-vm {' '.join(first.host_public.split()[:2])}\n"
    assert (one / "id_ed25519").stat().st_mode & 0o777 == 0o600
    assert len({first.host_private, second.host_private, first.user_public, second.user_public}) == 4


def test_openssh_is_told_the_machines_key_and_nothing_of_the_users(tmp_path: Path) -> None:
    state = State(tmp_path / "100% mine")
    argv = address.ssh_command(state, 40022)
    literal = str(state.folder).replace("%", "%%")
    assert argv[:9] == ["ssh", "-F", "none", "-i", f"{literal}/image/id_ed25519", "-p", "40022", "-l", "root"]
    assert argv[-1] == "127.0.0.1"
    assert f'UserKnownHostsFile="{literal}/image/known_hosts"' in argv
    assert {"StrictHostKeyChecking=yes", "HostKeyAlias=testbed-vm", "IdentitiesOnly=yes"} <= set(argv)


def test_mounts_in_a_directory_are_found_by_their_real_names(tmp_path: Path) -> None:
    place = tmp_path / "another vm"
    escaped = str(place).replace(" ", "\\040")
    lines = [
        "25 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
        f"93 27 0:27 / {escaped}/dev/shm rw,relatime - tmpfs tmpfs rw",
        f"94 27 0:27 / {escaped}s/dev/shm rw,relatime - tmpfs tmpfs rw",
        f"95 27 0:22 / {escaped}/a\\134b ro - sysfs sys rw",
    ]
    assert user_namespace.mounts_below(place, "\n".join(lines)) == [place / "dev" / "shm", place / "a\\b"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_what_is_mounted_in_a_directory_is_not_removed_with_it(tmp_path: Path) -> None:
    """As a killed installation once left this machine's own /dev/shm."""
    foreign, ours = tmp_path / "foreign", tmp_path / "our own"
    (ours / "dev").mkdir(parents=True)
    foreign.mkdir()
    (foreign / "file").touch()
    script = (
        "import sys; from pathlib import Path; from testbed.labs.vm import user_namespace;"
        "user_namespace.remove(Path(sys.argv[1]))"
    )
    mounted = 'mount --bind "$1" "$2/dev" && exec "$3" -c "$4" "$2"'
    argv = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(foreign), str(ours), sys.executable, script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert f"PrerequisiteError: {ours}: something is mounted in it (run as root: umount '{ours}/dev')" in done.stderr
    assert (foreign / "file").exists() and ours.exists()
    user_namespace.remove(ours)
    assert not ours.exists() and (foreign / "file").exists()


def test_an_image_with_packages_that_parts_need_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "codename", lambda: "bookworm")
    more = ["nftables", "mininet"]
    assert image.identity(more) != image.identity() == image.identity(["mininet"])
    known = {"debian": "12", "python": "3.11", "dependencies": {}, "size": "8G", "built_at": "", "build_s": 1.0}
    made = image.Manifest(id=image.identity(more), packages=tuple(packages.names(more)), **known)  # type: ignore[arg-type]
    assert image.is_current(made)
    assert not image.is_current(made.model_copy(update={"id": image.identity()}))
