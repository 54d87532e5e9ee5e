"""What the lab kernel must have is compared with its configuration, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.needs import every
from testbed.base.errors import PrerequisiteError
from testbed.base.needs import Need, kernel, of_part, program
from testbed.kernel import config
from testbed.kernel.flavour import FLAVOURS, Flavour
from testbed.kernel.recipe import fragments_of
from testbed.kernel.release import RELEASES, Release
from testbed.labs.uml import UmlLab

SOCKET = kernel("nft socket", "CONFIG_NF_TABLES", "CONFIG_NFT_SOCKET", purpose="the joins")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """No kernel: whoever starts it fails."""
    path = tmp_path / "linux"
    path.touch(mode=0o755)
    return path


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=list(FLAVOURS))
def test_the_lab_kernels_have_every_option_that_our_parts_need(flavour: Flavour, release: Release) -> None:
    settings = config.read_fragments(fragments_of(flavour, release))
    has = {f"CONFIG_{setting.symbol}" for setting in settings if setting.value != "n"}
    asked = {option for need in every() for option in need.kernel_options}
    assert "CONFIG_IP_VS" in asked
    assert asked - has == set()


def test_an_option_that_the_lab_kernel_lacks_is_one_line_with_part_option_and_cure(image: Path) -> None:
    lab = UmlLab(image, kernel_id="abc", options={"CONFIG_NF_TABLES", "CONFIG_VETH"})
    with pytest.raises(PrerequisiteError) as caught:
        lab.require(of_part("director nft", [SOCKET, kernel("veth", "CONFIG_VETH")]))
    assert str(caught.value) == (
        "the uml lab (lab kernel abc) lacks nft socket (director nft: the joins) (a kernel with CONFIG_NFT_SOCKET: "
        "add to kernel-patches/common/common.config, and run: testbed kernel build)"
    )


def test_a_program_that_this_machine_lacks_is_one_line_with_its_package(image: Path) -> None:
    lab = UmlLab(image)
    lab.require({program("sh"), SOCKET})  # nobody knows the kernel's options: the point will tell
    with pytest.raises(PrerequisiteError) as caught:
        lab.require(of_part("workload mine.py", [program("wrk3", package="wrk-three", purpose="many clients")]))
    assert str(caught.value) == (
        "the uml lab lacks program wrk3 (workload mine.py: many clients) (run as root: apt-get install wrk-three)"
    )


def test_an_option_beside_a_probe_is_enough_for_the_lab_kernel(image: Path) -> None:
    need = Need(name="x", kernel_options=("CONFIG_X",), probe=(("false",),))
    UmlLab(image, options={"CONFIG_X"}).require({need})
