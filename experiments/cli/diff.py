"""`testbed diff`: the first packet, event or counter at which two runs part, and what led up to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from experiments.cli.output import Drawing, show
from testbed.base.errors import EXIT_FAILURE, AnalysisError, UsageError
from testbed.record.digests import read_digests

if TYPE_CHECKING:
    from analysis.compare.divergence import CounterDelta, LineDivergence, PointDivergence
    from analysis.compare.packet_divergence import PacketDivergence
    from analysis.compare.packet_text import PacketText
    from analysis.compare.pairing import Pairs

_COUNTERS_SHOWN = 12
_WIDTH = 240
_LONGEST = 100
_STYLES = {"A": "cyan", "B": "yellow"}


@click.command()
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@click.option(
    "--context", "-c", "count", type=click.IntRange(min=0), default=8, show_default=True, help="Packets that lead up."
)
@click.option("--all-counters", is_flag=True, help=f"Show every counter that differs, not only {_COUNTERS_SHOWN}.")
@click.pass_context
def diff(context: click.Context, run_a: Path, run_b: Path, count: int, all_counters: bool) -> None:
    """Show where RUN_A and RUN_B part: two runs, or two points (RUN/points/ID); other seeds, other kernels.

    Exit status: 0 they are identical, 1 they differ, 2 bad input.
    """
    # numpy and pyarrow take half a second to import, which no other command should pay.
    from analysis.compare.divergence import compare_points
    from analysis.compare.pairing import pair_points

    try:
        pairs = pair_points(run_a, run_b)
        if not pairs.common:
            raise UsageError(f"{run_a} and {run_b} have no point in common", hint="name a point of each: RUN/points/ID")
        same = True
        for ours, theirs in pairs.common:
            found = compare_points(ours, theirs, count)
            same = same and found.identical
            _show(_point(found, ours, theirs, all_counters=all_counters))
    except (AnalysisError, OSError) as error:
        raise UsageError(str(error)) from error
    for line in _alone(pairs):
        show(line)
    context.exit(0 if same and not pairs.only_ours and not pairs.only_theirs else EXIT_FAILURE)


def _show(what: RenderableType) -> None:
    """Print it without folding: a terminal that is too narrow wraps whole lines, which stay readable."""
    console = Drawing(width=_WIDTH)
    console.print(what)
    show(console.text())


def _point(found: PointDivergence, ours: Path, theirs: Path, *, all_counters: bool) -> RenderableType:
    title = Text(found.ours.id, style="bold")
    if found.identical:
        return Text.assemble(title, "  identical")
    if found.theirs.id != found.ours.id:
        title.append(f" and {found.theirs.id}")
    parts: list[RenderableType] = [title, _side("A", ours), _side("B", theirs)]
    places: list[tuple[float, int, RenderableType]] = [
        *((packet.t_s, 0, _packet(packet, shown=number == 0)) for number, packet in enumerate(found.packets)),
        *((line.t_s, 1, _line(line)) for line in found.lines),
    ]
    parts += [Text("\nThey part:")] if places else []
    parts += [_indented(body) for _, _, body in sorted(places, key=lambda place: place[:2])]
    if found.packets and not found.normalised:
        parts.append(Text("\nBut for the numbers that a kernel draws (ports, sequence numbers, keys) and for times,"
                          " every packet is the same."))  # fmt: skip
    elif found.normalised and _place(found.normalised[0]) != _place(found.packets[0]):
        parts.append(Text("\nThey act differently (ports, sequence numbers, keys and times aside):"))
        parts.append(_indented(_packet(found.normalised[0], shown=True)))
    if found.counters:
        parts.append(Text(f"\nCounters of the workload that differ: {len(found.counters)}"))
        parts.append(_indented(_counters(found.counters, every=all_counters)))
    if found.files:
        parts.append(Text(f"\nOther files that differ: {', '.join(found.files)}"))
    return Group(*parts, Text(""))


def _indented(body: RenderableType) -> Padding:
    return Padding(body, (0, 0, 0, 2), expand=False)


def _side(letter: str, directory: Path) -> Text:
    known = read_digests(directory)
    facts = f"  seed {known.seed}, kernel {known.kernel}" if known else ""
    return Text.assemble((letter, _STYLES[letter]), f"  {directory}{facts}")


def _place(found: PacketDivergence) -> tuple[str, int]:
    return found.interface, found.number


def _packet(found: PacketDivergence, *, shown: bool) -> RenderableType:
    """A line that says where; with `shown`, the packet in both runs below what led up to it."""
    head = Text(f"at {found.t_s:.9f} s, packet {found.number} of {found.interface}")
    if found.fields:
        head.append(f", in its {', '.join(found.fields)}")
    else:
        head.append(f", which only {'A' if found.ours else 'B'} has")
    if not shown:
        return head
    rows = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for name in ("", "t (s)", "interface", "from > to", "flags", "seq", "ack", "bytes", "window", "options"):
        right = name in ("t (s)", "seq", "ack", "bytes", "window")
        rows.add_column(name, justify="right" if right else "left", no_wrap=True)
    led_up = {*found.connection, *found.before}
    for packet in sorted(led_up, key=lambda packet: (packet.t_s, packet.interface, packet.number)):
        _add(rows, "*" if packet in found.connection else "", packet)
    for letter, last in (("A", found.ours), ("B", found.theirs)):
        if last is None:
            rows.add_row(letter, "the capture has ended", style=_STYLES[letter])
        else:
            _add(rows, letter, last)
    legend = [Text("* on the same connection", style="dim")] if found.connection else []
    return Group(head, Padding(Group(rows, *legend), (0, 0, 1, 2), expand=False))


def _add(rows: Table, mark: str, packet: PacketText) -> None:
    rows.add_row(
        mark,
        f"{packet.t_s:.9f}",
        packet.interface,
        packet.ends,
        packet.flags,
        packet.seq,
        packet.ack,
        str(packet.payload_bytes),
        str(packet.window),
        packet.options,
        style=_STYLES.get(mark, "" if mark else "dim"),
    )


def _line(found: LineDivergence) -> RenderableType:
    head = Text(f"at {found.t_s:.6f} s, {found.file}{f': {found.what}' if found.what else ''}")
    for letter, text in (("A", found.ours), ("B", found.theirs)):
        shown = "the file has ended" if text is None else text[:_LONGEST]
        head.append(f"\n  {letter}  {shown}", style=_STYLES[letter])
    return head


def _counters(deltas: Sequence[CounterDelta], *, every: bool) -> RenderableType:
    """The counters that differ most for their size first."""
    ranked = sorted(deltas, key=lambda d: (-abs(d.theirs - d.ours) / max(d.ours, d.theirs, 1), d.node, d.counter))
    shown = ranked if every else ranked[:_COUNTERS_SHOWN]
    rows = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for name in ("node", "counter", "A", "B", "B - A"):
        rows.add_column(name, justify="left" if name in ("node", "counter") else "right", no_wrap=True)
    for delta in shown:
        row = (delta.node, delta.counter, str(delta.ours), str(delta.theirs), f"{delta.theirs - delta.ours:+d}")
        rows.add_row(*row)
    more = len(ranked) - len(shown)
    return Group(rows, Text(f"and {more} more (--all-counters)", style="dim")) if more else rows


def _alone(pairs: Pairs) -> list[str]:
    return [
        f"only {letter} has {path.name}"
        for letter, paths in (("A", pairs.only_ours), ("B", pairs.only_theirs))
        for path in paths
    ]
