"""Which extra brings what is missing, as the metadata of the installed toolkit says."""

from __future__ import annotations

import configparser
import importlib
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from testbed import extras
from testbed.base.errors import PrerequisiteError

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("mininet.topo", "lab"),
        ("pyroute2", "lab"),
        ("paramiko", "ssh"),
        ("qemu.qmp", "vm"),
        ("distributed", "dask"),
        ("scipy", "sweep"),
        ("pytest", "dev"),
    ],
)
def test_a_package_of_an_extra_is_named_with_its_extra(module: str, extra: str) -> None:
    missing = ModuleNotFoundError(f"No module named {module!r}", name=module)
    found = extras.explanation("testbed fly", missing)
    assert found is not None
    assert str(found.message) == f"testbed fly needs the Python package {module.split('.')[0]}, which is not installed"
    assert found.hint.endswith(f"'mptcp-lb-testbed[{extra}]'")


@pytest.mark.parametrize("module", ["numpy", "pydantic.main", "no_such_module_of_anybody", "", None])
def test_another_module_that_is_missing_is_no_matter_of_extras(module: str | None) -> None:
    assert extras.explanation("testbed fly", ModuleNotFoundError("No module", name=module)) is None
    with pytest.raises(ModuleNotFoundError), extras.explained("testbed fly"):
        raise ModuleNotFoundError("No module", name=module)


def test_the_import_that_fails_is_an_error_for_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    complaint = "the other machine needs the Python package paramiko"
    with pytest.raises(PrerequisiteError, match=complaint), extras.explained("the other machine"):
        importlib.import_module("paramiko")


def test_every_extra_but_that_of_development_has_its_line_in_the_modules_docstring() -> None:
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    provided = set(settings["options.extras_require"])
    assert {"lab", "ssh", "vm"} <= provided
    assert [name for name in provided if name != "dev" and f"[{name}]" not in (extras.__doc__ or "")] == []
    base = [Requirement(text) for text in settings["options"]["install_requires"].split("\n") if text]
    assert base and not {each.name for each in base} & {"mininet", "pyroute2", "paramiko", "qemu.qmp"}


def test_what_is_installed_is_as_new_as_setup_cfg() -> None:
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    known = {
        extra
        for each in metadata.distributions(name=extras.DISTRIBUTION)
        for extra in each.metadata.get_all("Provides-Extra", [])
    }
    assert set(settings["options.extras_require"]) <= known, "setup.cfg has changed since the installation: make setup"


def test_an_older_record_beside_the_packages_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = tmp_path / "mptcp_lb_testbed.egg-info"
    older.mkdir()
    (older / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: mptcp-lb-testbed\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert metadata.metadata(extras.DISTRIBUTION).get_all("Provides-Extra") is None
    found = extras.explanation("a data frame", ModuleNotFoundError("No module", name="pandas"))
    assert found is not None and found.hint.endswith("'mptcp-lb-testbed[pandas]'")
