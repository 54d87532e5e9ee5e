"""A dry run refuses the options that the run would refuse: nobody learns of them when it is to begin."""

from __future__ import annotations

import pytest

from experiments.cli.main import main


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--check-share", "0.1"), "--check-share: not in the lab uml (labs that can: dask:ADDRESS"),
        (("--lab", "dask:local", "--check-share", "nan"), "Invalid value for '--check-share': nan is not a number"),
        (("--lab", "dask:local", "--check-share", "1.1"), "1.1 is not in the range"),
        (("--lab", "local", "--shared-boot"), "--shared-boot: not in the lab local"),
        (("--lab", "local", "--kernel", "7.3"), "--kernel 7.3: the lab has a kernel of its own: local"),
        (("--kernel", "9.9"), "no lab kernel '9.9' (releases: "),
        (("--kernel", ""), "no lab kernel '' (releases: "),
    ],
)
def test_what_a_run_would_refuse_is_one_line(
    capfd: pytest.CaptureFixture[str], options: tuple[str, ...], line: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "fig13", "--dry-run", *options])
    said = capfd.readouterr()
    assert ended.value.code == 2 and line in said.err and len(said.err.splitlines()) == 1 and not said.out
