"""`testbed explore`: one connection again and again, each time with one packet lost, late, twice or out of order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import click

from experiments import api
from experiments.api import exploration, moments
from experiments.api.exploration import MOST_REPEATED, Wanted
from experiments.api.explorations import DEFAULT_BOUND_S, Asked
from experiments.api.moments import FIRST_TRIES
from experiments.cli.given import require_not_given
from experiments.cli.options import NumberRange, labs_option, scheme_files, scheme_option, set_option
from experiments.cli.output import show
from experiments.cli.own_options import more_parts
from experiments.cli.progress import tell_of
from testbed.base.errors import PointsFailed, UsageError
from testbed.kernel.release import DEFAULT, RELEASES
from testbed.labs.catalog import LabSpec
from testbed.record.exploration import WHATS, What

_OF_FAULTS = ("faults", "packets", "pairs", "findings")
_OF_A_FINDING = ("overrides", "schemes", "protocols", "only", *_OF_FAULTS, "bound_s", "moment", "tries", "seed")
"""What is made of each packet, and what the file of a finding says."""


@click.command()
@click.argument("experiment", required=False)
@set_option
@scheme_option
@scheme_files
@click.option(
    "--kernel",
    "kernels",
    multiple=True,
    metavar=f"{'|'.join(RELEASES)}|ID",
    help=f"The lab kernel; with several, what each makes of the same.  [default: {DEFAULT.name}]",
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    type=click.Choice(["mptcp", "tcp"]),
    default=["mptcp"],
    show_default=True,
    help="Of which the connections are. May be repeated.",
)
@click.option("--only", default="", metavar="TEXT", help="Only the points whose id has this in it.")
@click.option(
    "--fault", "faults", multiple=True, type=click.Choice(WHATS), help="What is done. May be repeated.  [default: all]"
)
@click.option("--packets", metavar="FIRST-LAST", help="To which packets, by their numbers.  [default: to each]")
@click.option(
    "--pairs",
    type=click.IntRange(1, 1000),
    metavar="WINDOW",
    help="Then two losses: each packet, and one of so many behind it.",
)
@click.option(
    "--bound",
    "bound_s",
    type=NumberRange(0.001, 100_000),
    default=DEFAULT_BOUND_S,
    show_default=True,
    metavar="SECONDS",
    help="A connection that takes longer hangs.",
)
@click.option("--moment", metavar="EVENT[:NUMBER]", help="Instead: slide a change (remove, add, flip, ...) over it.")
@click.option(
    "--tries",
    type=click.IntRange(2, 10_000),
    default=FIRST_TRIES,
    show_default=True,
    help="Of --moment: so many moments before edges are looked for.",
)
@click.option("--findings", type=click.IntRange(0, 1000), default=MOST_REPEATED, show_default=True,
              help="How many findings are repeated, each in a boot of its own, and written.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The point's seed.")
@click.option("--jobs", "-j", type=click.IntRange(1, 1000), help="Guests at a time in each lab. Default: one per core.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="The exploration's directory, new or empty."
)
@click.option(
    "--repeat", "again", type=click.Path(path_type=Path), metavar="FILE.toml", help="Repeat this finding alone."
)
@click.option(
    "--shrink", type=click.Path(path_type=Path), metavar="FILE.toml", help="The least of its faults that do it."
)
@labs_option
@more_parts
@click.pass_context
def explore(
    context: click.Context,
    experiment: str | None,
    overrides: tuple[str, ...],
    schemes: tuple[str, ...],
    scheme_files: tuple[Path, ...],
    kernels: tuple[str, ...],
    protocols: tuple[str, ...],
    only: str,
    faults: tuple[str, ...],
    packets: str | None,
    pairs: int | None,
    moment: str | None,
    tries: int,
    bound_s: float,
    findings: int,
    seed: int,
    jobs: int | None,
    out: Path | None,
    again: Path | None,
    shrink: Path | None,
    labs: list[LabSpec],
    own: tuple[Path, ...],
) -> None:
    """Do to each packet of a short connection all that a network can do, e.g. `testbed explore fig07 --out DIR`.

    Each packet of both directions on every path is lost once, comes twice, late (by half a round trip, one, two, and a
    retransmission timeout), and behind the next one; each time in a connection of its own. docs/explore.md.
    """
    api.load_parts(own)
    asked = Asked(
        experiment=experiment or "",
        overrides=overrides,
        schemes=schemes,
        scheme_files=scheme_files,
        protocols=protocols,
        seed=seed,
        labs=labs,
        kernels=kernels,
        jobs=jobs,
        bound_s=bound_s,
        only=only,
    )
    if again or shrink:
        if experiment or out or (again and shrink):
            raise UsageError("--repeat FILE and --shrink FILE take no experiment and no --out, and not each other")
        require_not_given(context, _OF_A_FINDING, f"--{'repeat' if again else 'shrink'} FILE does what the file says")
        if len(kernels) > 1:
            raise UsageError("--repeat FILE and --shrink FILE are on one kernel", hint="leave out the other --kernel")
        _repeat(cast(Path, again or shrink), asked, shrink=shrink is not None)
        return
    if not experiment or out is None:
        raise UsageError("which experiment, and where to?", hint="testbed explore fig07 --out DIR")
    if moment is not None:
        require_not_given(context, _OF_FAULTS, "--moment makes no faults")
        slid = api.slide(asked, moment, out, first_tries=tries, listen=tell_of)
        show((out / moments.TEXT).read_text())
        show(f"{out}")
        for one in slid.values():
            one.require_applied()
        return
    require_not_given(context, ("tries",), "without --moment no moment is tried")
    wanted = Wanted(
        whats=tuple(cast(What, each) for each in faults) or WHATS,
        numbers=_numbers(packets),
        pairs=pairs or 0,
        repeat=findings,
    )
    found = api.explore(asked, wanted, out, listen=tell_of)
    for name in found:
        show((out / name / exploration.TEXT).read_text())
    if len(found) > 1:
        show((out / exploration.COMPARED).read_text())
    show(f"{out}")
    for each in found.values():
        each.require_applied()


def _numbers(text: str | None) -> range | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not match or not 1 <= int(match[1]) <= int(match[2] or match[1]):
        raise UsageError(f"--packets {text}: not the numbers of packets", hint="such as 1-40, or 7")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def _repeat(path: Path, asked: Asked, *, shrink: bool) -> None:
    finding, row, case = api.repeat_finding(path, asked, shrink=shrink, listen=tell_of)
    late = "no end" if row["extra_s"] is None else f"{row['extra_s'] * 1e3:+.3f} ms"
    show(f"{case.id}: {row['outcome']}, {late}, {row['finding'] or 'no finding'}: {row['what']}")
    show(f"digest {row['digest']}")
    expected = finding.expected
    if expected is None or shrink:
        return
    if row["finding"] != expected.finding:
        raise PointsFailed(f"{path}: it came to {row['finding'] or 'no finding'}, and not to {expected.finding}")
    if row["digest"] != expected.digest:
        what = f"{path}: the same finding, by other packets: digest {expected.digest} was expected"
        if asked.kernels:
            show(what)
            return
        raise PointsFailed(what, hint="another version of the toolkit?")
