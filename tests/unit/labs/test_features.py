from __future__ import annotations

import json

import pytest

from testbed.base.errors import PrerequisiteError
from testbed.labs import features, probes

# What the probes said on a kernel that has MPTCP, but neither netem nor IPVS nor our patches (Linux 6.18).
SAID = {
    "veth": "",
    "rate": "",
    "netem": "Error: Specified qdisc kind is unknown.",
    "ipvs": "the kernel says: No such file or directory",
    "sysctl:net.mptcp.lb_mode": "No such file or directory",
    "sysctl:net.ipv4.tcp_mem": "No such file or directory",
    "command:ab": "",
    "lighttpd:mod_webdav": "lighttpd cannot load it",
}


def findings(names: list[str], machine_has: bool = False) -> list[features.Finding]:
    return [features.judge(name, SAID[name], lambda _name: machine_has) for name in names]


def test_what_is_there_is_no_problem() -> None:
    features.require(findings(["veth", "rate", "command:ab"]), "the lab")


def test_exactly_what_is_missing_is_named_in_one_line_with_its_cure() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        features.require(findings(["veth", "netem", "ipvs", "rate"]), "the local lab")
    assert caught.value.message == ("the local lab lacks netem (the delay or loss of a link); IPVS (the load balancer)")
    assert caught.value.hint == (
        "a kernel with CONFIG_NET_SCH_NETEM (module sch_netem); a kernel with CONFIG_IP_VS, CONFIG_IP_VS_RR "
        "(module ip_vs); or use --lab uml, whose kernel has it all"
    )
    assert caught.value.exit_code == 3


def test_a_sysctl_of_a_patch_and_one_of_the_whole_machine_have_other_cures() -> None:
    (patched,) = findings(["sysctl:net.mptcp.lb_mode"])
    assert (patched.ok, patched.cure) == (False, "a kernel with the patches of kernel-patches/")
    (whole,) = findings(["sysctl:net.ipv4.tcp_mem"], machine_has=True)
    assert (whole.ok, whole.cure) == (False, "leave it out of [sysctl]")
    assert "belongs to the whole machine" in whole.purpose


def test_a_missing_module_of_the_web_server_is_named_with_its_package() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        features.require(findings(["lighttpd:mod_webdav"]), "the local lab")
    assert caught.value.message == "the local lab lacks lighttpd mod_webdav (uploads)"
    assert caught.value.hint == "run as root: apt-get install lighttpd-mod-webdav"


def test_every_feature_is_asked_for_at_once_and_each_is_judged() -> None:
    asked = []

    def run(argv: tuple[str, ...]) -> str:
        asked.append(json.loads(argv[-1]))
        return json.dumps({name: SAID[name] for name in asked[0]})

    found = features.probe({"ipvs", "veth", "command:ab"}, run)
    assert asked == [["veth", "ipvs", "command:ab"]]
    assert [(finding.name, finding.ok) for finding in found] == [("veth", True), ("ipvs", False), ("command:ab", True)]
    assert features.probe(set(), run) == []
    assert len(asked) == 1


def test_every_feature_of_the_kernel_has_a_probe() -> None:
    assert set(probes.KERNEL) == set(features.KERNEL)


def test_a_probe_of_a_program_and_of_an_unknown_feature() -> None:
    assert probes.examine("command:sh") == ""
    assert probes.examine("command:no-such-program") == "not found"
    assert probes.examine("moonlight") == "no such feature: moonlight"
    assert probes.examine("sysctl:net.no.such") == "No such file or directory"
