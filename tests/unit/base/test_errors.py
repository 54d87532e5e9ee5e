"""Errors: what has failed for several is raised once for each of them."""

from __future__ import annotations

import pytest

from testbed.base import errors
from testbed.base.errors import CommandError, ConfigError, LabError, ReadbackError, TestbedError


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("a.toml", 3, "what", hint="do"),
        CommandError(["ip", "link"], 1, "no\n"),
        ReadbackError("mtu", 1, 2),
        LabError("ended", hint="look", console="text"),
        errors.AnalysisError("no", hint="so"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_again_is_the_same_but_for_its_traceback(error: TestbedError) -> None:
    with pytest.raises(type(error)) as first:
        raise error
    other = first.value.again()
    assert (type(other), str(other), other.args) == (type(error), str(error), error.args)
    assert vars(other) == vars(error)
    assert error.__traceback__ is not None and other.__traceback__ is None
