"""Why a point has its figures, in a few numbers and words: what bytes waited for, and why the kernel sent RSTs.

Enters: a summary, the point's tables. Leaves: the same summary with these numbers; lines for people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.summary.model import HeadOfLine, PointSummary, ResetReason

_EXPLAINED = {
    (
        "closed-socket",
        "TCP_INVALID_ACK_SEQUENCE",
    ): ": the port has a new socket, in SYN-SENT, that answers what came for "
    "the earlier connection (RFC 9293 section 3.10.7.3)",
}
"""By cause and reason: how both can be right."""


def with_explanations(summary: PointSummary, tables: Mapping[str, pa.Table]) -> PointSummary:
    """The summary with what its tables explain."""
    sender = "client" if summary.traits.sender == "client" else "server"
    return replace(
        summary,
        head_of_line=_head_of_line(tables["deliveries"], sender),
        reset_reasons=_reset_reasons(tables["kernel_resets"]),
    )


def _head_of_line(deliveries: pa.Table, sender: str) -> HeadOfLine | None:
    """The waits of all connections' bytes together; None where there are none."""
    mine = deliveries.filter(pc.equal(deliveries["sender"], sender))
    total, late = (pc.sum(mine[name]).as_py() or 0 for name in ("bytes", "late_bytes"))
    if not total:
        return None
    waited = mine["wait_byte_seconds"].to_numpy()
    behind = np.nan_to_num(mine["behind_initial"].to_numpy(zero_copy_only=False))
    sum_s = float(waited.sum())
    return HeadOfLine(
        late_share=late / total,
        wait_mean_s=sum_s / late if late else None,
        wait_most_s=pc.max(mine["wait_most_s"]).as_py(),
        behind_initial=float((waited * behind).sum()) / sum_s if sum_s > 0 else None,
        buffer_most=pc.max(mine["buffer_most"]).as_py() or 0,
    )


def _reset_reasons(kernel_resets: pa.Table) -> tuple[ResetReason, ...]:
    columns = (kernel_resets[name].to_pylist() for name in ("cause", "reason", "specific", "agrees"))
    counted = Counter(zip(*columns, strict=True))
    ordered = sorted(counted.items(), key=lambda item: (-item[1], str(item[0])))
    return tuple(
        ResetReason(cause=cause or "", reason=reason, specific=specific, agrees=agrees, count=count)
        for (cause, reason, specific, agrees), count in ordered
    )


def head_of_line_in_words(found: HeadOfLine, service_path: str) -> str:
    """What bytes waited for, in a line."""
    if found.wait_mean_s is None or found.wait_most_s is None:
        return "every byte came in its order"
    words = (
        f"{found.late_share:.1%} of the bytes came before others that are before them in the page, and waited "
        f"{found.wait_mean_s * 1e3:.1f} ms on average ({found.wait_most_s * 1e3:.1f} ms at most)"
    )
    if found.behind_initial:
        words += f", {found.behind_initial:.0%} of it for the initial subflow, by the {service_path}"
    return f"{words}; the reordering buffer held {found.buffer_most / 1e6:.2f} MB at most"


def reset_reasons_in_words(found: Sequence[ResetReason]) -> Iterator[str]:
    """How the causes of RSTs agree with the kernel's own reasons, in a line, and one on each that does not."""
    if not found:
        return

    def total(which: Sequence[ResetReason]) -> int:
        return sum(each.count for each in which)

    captured = [each for each in found if each.cause]
    specific = [each for each in captured if each.specific]
    agreeing = total([each for each in specific if each.agrees])
    share = f" ({agreeing / total(specific):.2%})" if specific else ""
    yield (
        f"of {total(found)} RSTs the kernel says why it sent them: the cause agrees for {agreeing} of "
        f"{total(specific)} with a specific reason{share}; {total(captured) - total(specific)} have none, "
        f"{total(found) - total(captured)} are in no capture of the client's"
    )
    for each in specific:
        if not each.agrees:
            why = _EXPLAINED.get((each.cause, each.reason), "")
            yield f"{each.count} RSTs: the cause is {each.cause}, but the kernel says {each.reason}{why}"
