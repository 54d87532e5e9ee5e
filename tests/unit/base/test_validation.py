"""What is wrong with a stranger's data is a few words, whatever its keys are."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.base.validation import first_problem


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    number: int = 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"number": "x"}, "it.number: Input should be a valid integer"),
        ({"k" * 5000: 1}, f"it.{'k' * 60}...: Extra inputs are not permitted"),
        ([], "it: Input should be a valid dictionary or instance of Given"),
    ],
)
def test_the_place_and_what_is_wrong(data: object, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Given.model_validate(data)
    assert first_problem(caught.value, "it") == words


def test_without_a_place_there_is_only_what_is_wrong() -> None:
    with pytest.raises(ValidationError) as caught:
        Given.model_validate([])
    assert first_problem(caught.value) == "Input should be a valid dictionary or instance of Given"
