from __future__ import annotations

import pytest

from experiments.api.places import clocks_of
from testbed.base.errors import UsageError
from testbed.labs import catalog
from testbed.labs.catalog import LabSpec


def test_a_spec_is_written_as_it_was_read() -> None:
    assert catalog.parse("uml") == LabSpec("uml")
    assert str(catalog.parse("uml")) == "uml"
    assert str(LabSpec("ssh", "me@host:22")) == "ssh:me@host:22"


@pytest.mark.parametrize("text", ["", "UML", "moon", "moon:uml"])
def test_an_unknown_lab_is_refused_with_those_that_exist(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.parse(text)
    assert caught.value.hint == f"the labs are: {', '.join(kind.usage for kind in catalog.KINDS.values())}"


def test_the_embedded_lab_has_both_clocks_the_virtual_one_first() -> None:
    assert clocks_of([LabSpec("uml")]) == ("virtual", "real")
    assert clocks_of([LabSpec("uml")], "real") == ("real",)
