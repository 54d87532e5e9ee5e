"""What points need, and where it comes from: each part declares its own, and set-up and doctor see to all of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import testbed
from experiments import needs, plan
from experiments.composition import REGISTRIES
from testbed.base.errors import TestbedError
from testbed.base.needs import Need, packages
from testbed.debian_packages import debian_packages
from testbed.labs.features import find_program
from testbed.tools import large_reads

ALL_PARTS = [(kind, found) for kind, registry in REGISTRIES.items() for found in registry.all_ours()]


def of(figure: str, protocol: str, *overrides: str, scheme: str = "upstream") -> frozenset[Need]:
    experiment = plan.load(plan.find(figure))
    schemes = [scheme] if experiment.base.schemes else []
    point = next(p for p in plan.plan(experiment, overrides=overrides, schemes=schemes) if p.protocol == protocol)
    return needs.of_point(point)


def names(figure: str, protocol: str, *overrides: str) -> set[str]:
    return {need.name for need in of(figure, protocol, *overrides)}


def of_the_kernel(figure: str, protocol: str) -> set[str]:
    return {need.name for need in of(figure, protocol) if need.kernel_options}


def test_long_downloads_need_the_library_for_large_reads_and_page_loads_where_it_is_asked_for() -> None:
    library = large_reads.NEED.name
    for protocol, figure in (("tcp", "13"), ("mptcp", "14")):
        assert library in names(figure, protocol)
        assert library not in names(figure, protocol, "workload.large_reads=false")
        assert library not in names("7", protocol)
        assert library in names("7", protocol, "workload.large_reads=true")


def test_plain_rates_need_no_netem() -> None:
    assert of_the_kernel("13", "tcp") == {"veth", "tbf", "ECMP nexthops"}
    assert of_the_kernel("14", "mptcp") == {"veth", "tbf", "ECMP nexthops", "MPTCP"}
    assert of_the_kernel("6", "tcp") == {"veth", "tbf", "IPVS"}


def test_delay_or_loss_needs_netem() -> None:
    assert "netem" in names("8", "tcp")
    assert {"netem", "program ethtool"} <= names("7", "tcp", "topology.client_director.loss=1 %")
    assert "program ethtool" not in names("7", "tcp")


def test_a_router_in_front_of_several_directors_needs_the_hash_of_the_services_family() -> None:
    policy = "sysctl net.ipv6.fib_multipath_hash_policy"
    several = ("topology.directors=2", "topology.family=dual")
    assert policy in names("fig07", "tcp", *several, "topology.service_family=ipv6")
    assert policy not in names("fig07", "tcp", *several)
    assert policy not in names("fig07", "tcp", "topology.family=ipv6")


def test_several_servers_need_a_bridge() -> None:
    assert "bridge" in names("7", "tcp", "topology.servers=3")
    assert "bridge" not in names("7", "tcp")


def test_the_patches_are_needed_only_where_they_are_asked_for() -> None:
    options = "mptcp.lb_mode=close", "mptcp.add_addr_resend_interval=10 ms", "mptcp.join_syn_rto_min=50 ms"
    asked = names("7", "mptcp", *options)
    patched = {f"sysctl net.mptcp.{name}" for name in ("lb_mode", "add_addr_resend_interval", "join_syn_rto_min")}
    assert patched <= asked
    assert not patched & names("7", "mptcp")
    assert not patched & names("7", "tcp", "mptcp.lb_mode=close")
    of_paper = {need for need in of("7", "mptcp", scheme="paper") if need.name in patched}
    assert {need.name for need in of_paper} == patched - {"sysctl net.mptcp.join_syn_rto_min"}
    # Somebody without such a kernel can still have the kernel's own curve.
    assert {need.what_for for need in of_paper} == {"scheme paper: a setting of our patches"}
    assert all(need.remedy.endswith("kernel-patches/, or --scheme upstream") for need in of_paper)


def test_a_setting_of_both_ends_brings_both_sysctls() -> None:
    both = {"sysctl net.mptcp.cwnd_push", "sysctl net.mptcp.initial_rcv_wnd"}
    assert both <= names("7", "mptcp", "mptcp.cwnd_push=backup")
    assert not both & names("7", "mptcp")
    assert not both & names("7", "tcp", "mptcp.cwnd_push=all")


def test_extra_sysctls_and_those_of_the_hash_are_asked_for() -> None:
    assert "sysctl net.ipv4.tcp_tso_rtt_log" in names("13", "tcp", 'sysctl."net.ipv4.tcp_tso_rtt_log"=30')
    hashing = {"sysctl net.ipv4.fib_multipath_hash_fields", "sysctl net.ipv4.fib_multipath_hash_seed"}
    assert hashing <= names("13", "tcp")
    assert not hashing & names("7", "tcp")


def test_uploads_need_the_web_servers_module_for_them() -> None:
    assert "lighttpd mod_webdav" in names("upload", "tcp")
    assert "lighttpd mod_webdav" not in names("7", "tcp")


def test_a_chosen_loss_needs_bpf_and_its_compiler() -> None:
    asked = names("7", "mptcp", "drop.packet=add-addr", 'protocols=["mptcp"]')
    assert {"BPF at tc's clsact", "program bpf-gcc", "bridge"} <= asked


def test_a_need_says_whose_it_is() -> None:
    (ipvs,) = (need for need in of("7", "tcp") if need.name == "IPVS")
    assert ipvs.what_for == "director ipvs-nat: the load balancer"


@pytest.mark.parametrize("figure", ["7", "8", "13", "upload"])
def test_a_part_needs_nothing_that_its_class_does_not_declare(figure: str) -> None:
    declared = {need for _, found in ALL_PARTS for need in found.part.needs}
    for point in plan.plan(plan.load(plan.find(figure))):
        of_parts = {need.model_copy(update={"part": ""}) for need in needs.of_point(point) if need.part}
        assert of_parts and of_parts <= declared


@pytest.mark.parametrize(("kind", "found"), ALL_PARTS, ids=lambda value: getattr(value, "name", value))
def test_every_part_declares_needs_that_can_be_found_out(kind: str, found: object) -> None:
    del kind
    declared = found.part.needs  # type: ignore[attr-defined]
    assert all(need.kernel_options or need.program or need.sysctl or need.probe for need in declared)
    assert all(need.package for need in declared if need.program)


def test_every_program_comes_from_a_package_that_set_up_installs() -> None:
    """By what dpkg says of the file that is run."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("no Debian system")
    installed = {*debian_packages(), *packages(needs.every())}
    programs = sorted({need.program for need in needs.every() if need.program})
    assert {"ab", "lighttpd", "mnexec", "tc", "tcpdump"} <= set(programs)
    for program in programs:
        file = Path(find_program(program))
        # On a system whose /bin is a link, dpkg may know the file by either name.
        paths = {name for path in (file, file.resolve()) for name in (str(path), str(path).removeprefix("/usr"))}
        said = subprocess.run(["dpkg-query", "-S", *paths], capture_output=True, text=True, check=False).stdout
        owners = {line.split(":")[0] for line in said.splitlines()}
        assert owners & installed, f"{program}: {owners or 'no package'}"


def test_set_up_is_told_the_packages_that_parts_declare() -> None:
    done = subprocess.run([sys.executable, "-m", "experiments.needs"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == packages(needs.every())
    assert "apache2-utils" in done.stdout.split()


OWN_DIRECTOR = """\
from testbed.base.errors import TestbedError
from testbed.base.needs import Need
from testbed.directors.ecmp import Ecmp


class Mine(Ecmp):
    \"\"\"Flows by the light of the moon.\"\"\"

    NEEDS
"""


def own(folder: Path, director: str) -> frozenset[Need]:
    """What the points of Fig. 14 need with a director of one's own."""
    (folder / "mine.py").write_text(director)
    text = plan.find("fig14").read_text()
    assert 'director = "ecmp"' in text
    (folder / "own.toml").write_text(text.replace('director = "ecmp"', 'director = "mine.py"'))
    return needs.of_point(plan.plan(plan.load(folder / "own.toml"))[0])


def test_a_users_own_part_brings_its_own_needs_as_the_page_says(tmp_path: Path) -> None:
    page = (Path(testbed.__file__).parents[1] / "docs" / "labs" / "local.md").read_text()
    found = own(tmp_path, page.partition("```python\n")[2].partition("```")[0])
    mine = {need.name: need for need in found if need.part == "director mine.py"}
    assert mine.keys() >= {"socket match", "ECMP nexthops"}
    assert mine["socket match"].kernel_options == ("CONFIG_NFT_SOCKET",)
    assert packages(mine.values()) == ["nftables"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('needs = {"ipvs"}', "director mine.py: among its needs is 'ipvs', which is no Need"),
        ("needs = 7", "director mine.py: among its needs is 7, which is no Need"),
        (
            "needs = Ecmp.needs | {Need(name='x', kernel_options=('IP_VS',))}",
            "mine.py:9: .*kernel_options.0: String should",
        ),
        ("def features(self): return 1 / 0", "mine.py:9: ZeroDivisionError: division by zero"),
    ],
)
def test_needs_of_a_users_own_part_that_make_no_sense_are_one_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(TestbedError, match=said) as caught:
        own(tmp_path, OWN_DIRECTOR.replace("NEEDS", line))
    assert "\n" not in str(caught.value)
