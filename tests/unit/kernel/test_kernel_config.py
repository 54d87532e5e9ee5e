from pathlib import Path

import pytest

from testbed.base.errors import ConfigError, KernelBuildError
from testbed.kernel import selftests
from testbed.kernel.config import check, digest, read_fragment, read_fragments, write
from testbed.kernel.flavour import FLAVOURS, UML, Flavour
from testbed.kernel.recipe import fragments_of
from testbed.kernel.release import RELEASES, Release

FRAGMENT = """\
# --- the port
CONFIG_64BIT=y
CONFIG_CON_CHAN="null"
# CONFIG_HW_RANDOM is not set

CONFIG_MPTCP=y
"""
DOTCONFIG = """\
# Automatically generated file; DO NOT EDIT.
CONFIG_64BIT=y
CONFIG_CON_CHAN="null"
# CONFIG_HW_RANDOM is not set
CONFIG_MPTCP=y
CONFIG_NET=y
"""


NEEDED_BY_THE_LAB = (
    "64BIT",
    "UML_TIME_TRAVEL_SUPPORT",
    "MPTCP",
    "MPTCP_IPV6",
    "INET_MPTCP_DIAG",
    "NET_NS",
    "PID_NS",
    "UTS_NS",
    "IPC_NS",
    "USER_NS",
    "VETH",
    "BRIDGE",
    "NET_SCH_NETEM",
    "NET_SCH_HTB",
    "NET_SCH_TBF",
    "NET_SCH_FQ",
    "NET_SCH_INGRESS",
    "NET_CLS_BPF",
    "BPF_SYSCALL",
    "IP_VS",
    "IP_VS_RR",
    "IP_VS_WRR",
    "IP_VS_SH",
    "IP_VS_MH",
    "NF_TABLES",
    "NETFILTER",
    "IP_ROUTE_MULTIPATH",
    "IP_MULTIPLE_TABLES",
    "NET_IPIP",
    "NET_IPGRE",
    "HOSTFS",
    "TMPFS",
    "OVERLAY_FS",
    "PACKET",
    "CGROUPS",
    "HIGH_RES_TIMERS",
    "SECCOMP",
    "KALLSYMS",
    "CC_OPTIMIZE_FOR_PERFORMANCE",
)


@pytest.fixture
def fragment(tmp_path: Path) -> Path:
    path = tmp_path / "uml.config"
    path.write_text(FRAGMENT)
    return path


def check_against(fragment: Path, dotconfig: str) -> None:
    path = fragment.with_name(".config")
    path.write_text(dotconfig)
    check(read_fragment(fragment), path)


def test_a_configuration_that_has_every_line_passes(fragment: Path) -> None:
    check_against(fragment, DOTCONFIG)


@pytest.mark.parametrize(
    ("kept", "now", "line", "symbol"),
    [
        ("CONFIG_MPTCP=y\n", "", 6, "CONFIG_MPTCP=y"),
        ("CONFIG_MPTCP=y", "# CONFIG_MPTCP is not set", 6, "CONFIG_MPTCP=y"),
        ("CONFIG_MPTCP=y", "CONFIG_MPTCP=m", 6, "CONFIG_MPTCP=y"),
        ('CONFIG_CON_CHAN="null"', 'CONFIG_CON_CHAN="xterm"', 3, "CONFIG_CON_CHAN"),
        ("# CONFIG_HW_RANDOM is not set", "CONFIG_HW_RANDOM=y", 4, "CONFIG_HW_RANDOM is not set"),
    ],
)
def test_a_lost_setting_is_named_with_its_line(fragment: Path, kept: str, now: str, line: int, symbol: str) -> None:
    with pytest.raises(KernelBuildError) as caught:
        check_against(fragment, DOTCONFIG.replace(kept, now))
    assert str(caught.value).startswith(f"{fragment}:{line}: ")
    assert symbol in str(caught.value)


def test_a_symbol_that_must_be_off_may_be_unknown(fragment: Path) -> None:
    check_against(fragment, DOTCONFIG.replace("# CONFIG_HW_RANDOM is not set\n", ""))


@pytest.mark.parametrize("line", ["CONFIG_X", "NET=y", "CONFIG_X =y", "# CONFIG_X is not sett"])
def test_a_line_that_is_no_setting_is_refused(fragment: Path, line: str) -> None:
    fragment.write_text(FRAGMENT + line + "\n")
    with pytest.raises(ConfigError, match=r"uml\.config:7: "):
        read_fragment(fragment)


def test_a_symbol_set_twice_is_refused(fragment: Path) -> None:
    fragment.write_text(FRAGMENT + "# CONFIG_MPTCP is not set\n")
    with pytest.raises(ConfigError, match=r"uml\.config:7: .*line 6"):
        read_fragment(fragment)


def test_fragments_add_up_and_each_setting_keeps_its_place(tmp_path: Path) -> None:
    one, two = tmp_path / "one.config", tmp_path / "two.config"
    one.write_text("CONFIG_NET=y\n")
    two.write_text("# more\nCONFIG_TUN=y\n")
    settings = read_fragments([one, two])
    assert [setting.place for setting in settings] == [f"{one}:1", f"{two}:2"]
    assert digest(settings) == digest(read_fragments([two, one]))
    (tmp_path / ".config").write_text("CONFIG_NET=y\n")
    with pytest.raises(KernelBuildError, match=r"two\.config:2: CONFIG_TUN=y was lost"):
        check(settings, tmp_path / ".config")


def test_a_symbol_set_in_two_fragments_is_refused_with_both_places(tmp_path: Path) -> None:
    one, two = tmp_path / "one.config", tmp_path / "two.config"
    one.write_text("CONFIG_NET=y\n")
    two.write_text("CONFIG_TUN=y\n# CONFIG_NET is not set\n")
    with pytest.raises(ConfigError, match=r"two\.config:2: CONFIG_NET is already set in \S*one\.config:1"):
        read_fragments([one, two])


def test_merged_settings_are_written_as_kconfig_reads_them(tmp_path: Path, fragment: Path) -> None:
    write(read_fragment(fragment), tmp_path / "merged.config")
    assert digest(read_fragment(tmp_path / "merged.config")) == digest(read_fragment(fragment))


def test_comments_and_order_do_not_change_the_digest(fragment: Path) -> None:
    before = digest(read_fragment(fragment))
    fragment.write_text("# said differently\n" + "\n".join(reversed(FRAGMENT.splitlines())) + "\n")
    assert digest(read_fragment(fragment)) == before
    fragment.write_text(FRAGMENT.replace("MPTCP=y", "MPTCP=n"))
    assert digest(read_fragment(fragment)) != before


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_the_fragments_of_this_repository_have_what_the_lab_needs(release: Release) -> None:
    settings = read_fragments(fragments_of(UML, release))
    values = {setting.symbol: setting.value for setting in settings}
    missing = [symbol for symbol in NEEDED_BY_THE_LAB if values.get(symbol) != "y"]
    assert missing == []
    assert values["UML_RANDOM"] == values["HW_RANDOM"] == "n"
    assert "SMP" not in values


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=list(FLAVOURS))
def test_every_flavour_has_the_network_that_the_experiments_use(flavour: Flavour, release: Release) -> None:
    values = {s.symbol: s.value for s in read_fragments(fragments_of(flavour, release))}
    needed = ("MPTCP", "MPTCP_IPV6", "INET_MPTCP_DIAG", "NET_SCH_NETEM", "IP_VS", "NF_TABLES", "IP_ROUTE_MULTIPATH")
    assert [symbol for symbol in needed if values.get(symbol) != "y"] == []


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_the_selftests_fragment_only_adds_to_the_lab_kernel(release: Release) -> None:
    lab = read_fragments(fragments_of(UML, release))
    both = read_fragments([*fragments_of(UML, release), *selftests.fragments(release)])
    assert both[: len(lab)] == lab
    assert {setting.value for setting in both[len(lab) :]} == {"y"}
