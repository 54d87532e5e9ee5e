"""Page loads in both directions at once: what is put, and what is loaded meanwhile."""

from __future__ import annotations

import pytest
from experiment_texts import PAGE_LOADS, refusal

from experiments import plan
from experiments.composition import parts_of

SIZES = 'sizes = ["10 KB", "1000 KB"]'


def test_what_is_loaded_meanwhile_is_served_beside_what_is_put() -> None:
    points = plan.plan(plan.load(plan.find("mixed-load")))
    assert {parts_of(each).workload.also_served for each in points} == {(2_000_000,)}
    assert {each.number("meanwhile_bytes") for each in points} == {2_000_000}
    (upload, *_) = plan.plan(plan.load(plan.find("upload")))
    assert parts_of(upload).workload.also_served == ()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('meanwhile = "2 MB"', 'pages are loaded anyway (it is for direction = "upload")'),
        ('direction = "upload"\nmeanwhile = "10 KB"', "a page of this size is put, and so it changes (another size)"),
    ],
)
def test_a_mixed_load_that_cannot_be_is_refused(keys: str, message: str) -> None:
    line = 15 + keys.count("\n")
    text = PAGE_LOADS.replace(SIZES, f"{SIZES}\n{keys}")
    assert refusal(text) == f"x.toml:{line}: workload.meanwhile: {message}"
