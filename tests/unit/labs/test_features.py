from __future__ import annotations

import contextlib
import gzip
import json
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from testbed.base.errors import PrerequisiteError, RunInterrupted
from testbed.base.needs import PATCHED, Call, Finding, Need, kernel, of_part, program, sysctl
from testbed.labs import cores, features, probes
from testbed.labs.base import Cancel
from testbed.labs.local import kernel_options
from testbed.labs.uml import UmlLab
from testbed.net import ipvs
from testbed.tools import lighttpd
from topologies import links

# What the probes said on a kernel that has MPTCP, but neither netem nor IPVS nor our patches (Linux 6.18).
SAID = {
    "veth": "",
    "tbf": "",
    "netem": "Error: Specified qdisc kind is unknown.",
    "IPVS": "the kernel says: No such file or directory",
    "sysctl net.mptcp.lb_mode": "No such file or directory",
    "sysctl net.ipv4.tcp_mem": "No such file or directory",
    "program ab": "",
    "lighttpd mod_webdav": "lighttpd cannot load it",
}
AB = program("ab", package="apache2-utils")
OWN = Need(name="a moonbeam", purpose="what mine.py counts", probe=(("moonlight", "--on"),))


def findings(*needs: Need, machine_has: bool = False) -> list[Finding]:
    return [features.judge(need, SAID[need.name], lambda _name: machine_has) for need in needs]


def test_what_is_there_is_no_problem() -> None:
    features.require(findings(links.VETH, links.TBF, AB), "the lab")


def test_exactly_what_is_missing_is_named_in_one_line_with_its_cure() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        features.require(findings(links.VETH, links.NETEM, ipvs.NEED, links.TBF), "the local lab")
    assert caught.value.message == "the local lab lacks netem (the delay or loss of a link); IPVS (the load balancer)"
    assert caught.value.hint == (
        "a kernel with CONFIG_NET_SCH_NETEM (module sch_netem); a kernel with CONFIG_IP_VS, CONFIG_IP_VS_RR "
        "(module ip_vs); or use --lab uml, which has a kernel of its own"
    )
    assert caught.value.exit_code == 3


def test_what_two_parts_need_is_named_once_with_both() -> None:
    both = [*of_part("set-up one", [links.NETEM]), *of_part("set-up two", [links.NETEM])]
    with pytest.raises(PrerequisiteError) as caught:
        features.require(findings(*both), "the local lab")
    loss = "the delay or loss of a link"
    assert caught.value.message == f"the local lab lacks netem (set-up one: {loss}, set-up two: {loss})"


def test_a_sysctl_of_a_patch_and_one_of_the_whole_machine_have_other_cures() -> None:
    (patched,) = findings(sysctl("net.mptcp.lb_mode", cure=PATCHED))
    assert (patched.ok, patched.cure) == (False, "a kernel with the patches of kernel-patches/")
    (whole,) = findings(sysctl("net.ipv4.tcp_mem"), machine_has=True)
    assert (whole.ok, whole.cure) == (False, "leave it out of [sysctl]")
    assert "belongs to the whole machine" in whole.purpose


def test_a_missing_module_of_the_web_server_is_named_with_its_package_and_no_other_kernel() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        features.require(findings(lighttpd.UPLOADS), "the local lab")
    assert caught.value.message == "the local lab lacks lighttpd mod_webdav (uploads)"
    assert caught.value.hint == "run as root: apt-get install lighttpd-mod-webdav"


def test_every_need_is_tried_at_once_and_each_is_judged() -> None:
    asked = []

    def ask(argv: tuple[str, ...]) -> str:
        asked.append([Need.model_validate(each) for each in json.loads(argv[-1])])
        return json.dumps([SAID[need.name] for need in asked[0]])

    wanted = {ipvs.NEED, links.VETH, AB, *of_part("a part", [AB])}
    found = features.probe(wanted, ask)
    assert asked == [[ipvs.NEED, links.VETH, AB]]  # the same need of another part is not tried again
    assert [(each.name, each.ok) for each in found] == [
        ("IPVS", False),
        ("veth", True),
        ("program ab", True),
        ("program ab", True),
    ]
    assert features.probe(set(), ask) == []
    assert len(asked) == 1


def test_an_option_that_the_kernel_lacks_is_named_and_nothing_is_tried() -> None:
    (found,) = features.probe({ipvs.NEED}, lambda _argv: pytest.fail("it was tried"), {"CONFIG_IP_VS"})
    assert found == Finding(
        "IPVS",
        "this kernel has no CONFIG_IP_VS_RR",
        "the load balancer",
        "a kernel with CONFIG_IP_VS_RR (module ip_vs)",
        True,
    )


def test_without_a_trial_the_options_and_the_programs_decide() -> None:
    socket = kernel("nft socket", "CONFIG_NFT_SOCKET", purpose="the joins")
    wanted = [*of_part("director nft", [socket]), program("sh"), program("no-such-program"), sysctl("net.no.such")]
    known = features.static_findings(wanted, {"CONFIG_NF_TABLES"}, "add it")
    assert {each.name: (each.ok, each.cure) for each in known} == {
        "nft socket": (False, "a kernel with CONFIG_NFT_SOCKET: add it"),
        "program sh": (True, ""),
        "program no-such-program": (False, "install no-such-program"),
        "sysctl net.no.such": (True, ""),
    }
    assert known[0].purpose == "director nft: the joins"
    assert features.static_findings([socket], None, "add it")[0].ok  # nobody knows the options


def test_a_probe_of_a_program_and_of_a_sysctl() -> None:
    assert probes.examine(program("sh")) == ""
    assert probes.examine(program("no-such-program")) == "not found"
    assert probes.examine(sysctl("net.no.such")) == "No such file or directory"


def test_a_probe_of_commands_says_what_the_first_that_fails_said() -> None:
    assert probes.examine(Need(name="x", probe=(("true",), ("true",)))) == ""
    assert probes.examine(Need(name="x", probe=(("true",), ("ls", "/no/such/place")))).endswith(
        "No such file or directory"
    )
    assert probes.examine(Need(name="x", probe=(("false",),))) == "false: ended with status 1: no message"
    assert probes.examine(OWN) == "moonlight --on: could not be started: No such file or directory"


def test_a_probe_of_a_function_is_called_with_its_words() -> None:
    call = Call(function="testbed.tools.lighttpd:load_module", arguments=("mod_moonlight",))
    assert probes.examine(Need(name="x", probe=(call,))) == "lighttpd cannot load it"
    nowhere = Call(function="testbed.no_such_module:probe")
    assert (
        probes.examine(Need(name="x", probe=(nowhere,)))
        == "ModuleNotFoundError: No module named 'testbed.no_such_module'"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"kernel_options": ["IP_VS"]},
        {"package": "lighttpd; rm -rf /"},
        {"program": "/usr/bin/ab"},
        {"sysctl": "../kernel/panic"},
        {"sysctl": "net..ipv4"},
        {"probe": [[]]},
        {"probe": [{"function": "os:system", "arguments": ["true"]}]},
        {"purpose": "two\nlines"},
        {"option": "CONFIG_IP_VS"},
    ],
)
def test_a_need_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Need.model_validate({"name": "x", **wrong})


def test_a_need_comes_through_json_as_it_was() -> None:
    for need in (ipvs.NEED, lighttpd.UPLOADS, OWN, links.VETH, AB):
        assert Need.model_validate_json(need.model_dump_json(exclude_defaults=True)) == need
        assert len({need, need.model_copy()}) == 1


def test_the_running_kernels_options_come_from_where_they_are(tmp_path: Path) -> None:
    text = "CONFIG_VETH=y\nCONFIG_IP_VS=m\n# CONFIG_DUMMY is not set\nCONFIG_HZ=250\n"
    packed, plain = tmp_path / "config.gz", tmp_path / "config-6.1"
    assert kernel_options.options(packed, plain) is None
    plain.write_text(text)
    assert kernel_options.options(packed, plain) == {"CONFIG_VETH", "CONFIG_IP_VS", "CONFIG_HZ"}
    packed.write_bytes(gzip.compress(b"CONFIG_MPTCP=y\n"))
    assert kernel_options.options(packed, plain) == {"CONFIG_MPTCP"}
    packed.write_bytes(gzip.compress(b"CONFIG_MPTCP=y\n")[:-5])  # cut off
    assert kernel_options.options(packed, plain) == {"CONFIG_VETH", "CONFIG_IP_VS", "CONFIG_HZ"}


def test_what_needs_both_a_program_and_an_option_has_the_cure_of_what_is_missing() -> None:
    nft = Need(name="nft", kernel_options=("CONFIG_NF_TABLES",), program="nft", package="nftables")
    package, option = "run as root: apt-get install nftables", "a kernel with CONFIG_NF_TABLES"
    for error, cure, of_kernel in (("not found", package, False), ("Protocol error", f"{package}; {option}", True)):
        found = features.judge(nft, error, lambda _name: False)
        assert (found.cure, found.of_kernel) == (cure, of_kernel)
    ((lacking,), _) = features.by_options([nft], {"CONFIG_VETH"})
    assert lacking.cure == option


def test_a_probe_that_waits_for_its_lab_ends_when_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All cores are taken: what asks a lab for its needs can still be interrupted."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken = [cores.lease(Cancel(), 0.0) for _ in cores.available()]
    cancel = Cancel()
    with contextlib.ExitStack() as stack:
        for each in taken:
            stack.enter_context(each)
        threading.Timer(0.3, cancel.set, ("enough",)).start()
        lab = UmlLab(Path(sys.executable))
        with pytest.raises(RunInterrupted, match="enough"):
            features.as_job(lab, "virtual", cancel)(("true",))
