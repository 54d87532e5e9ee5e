"""Whether a point in real time can be believed: was the machine ever out of CPU, did the links keep their rates?

In the spirit of Mininet-HiFi (Handigol et al., "Reproducible network experiments using container-based emulation",
CoNEXT 2012): an emulated link is as good as the moments at which its packets leave it, and these are late as soon as
the machine has something else to do. Three things are looked at, in each second of the workload:

* idle time of the machine's cores, from `host_load.jsonl`;
* the spacing of the packets that left the bottleneck, from the captures' time stamps: while the link is full, each
  stretch of time must hold what the rate allows, no less (it was late) and no more (it caught up);
* packets that a capture lost.

Enters: what the lab and the captures say. Leaves: `Fidelity`, with the problems found. A point without
`host_load.jsonl`, such as any in virtual time, gets no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.flows.series import Window
from analysis.flows.tcp_flows import Sides
from analysis.pcap import Packets
from analysis.summary.model import Bottleneck, Fidelity
from testbed.record.captures import CaptureFile
from testbed.record.events import Event, changes
from testbed.record.host_load import HostLoad
from testbed.record.point import Point
from testbed.record.pool import Pool

MIN_IDLE_SHARE = 0.05
"""Less idle time than this in a second, and something had to wait: the kernel counts in steps of 1 % of a core."""
MAX_SPACING_ERROR = 0.25
"""Of nine in ten stretches of a full link, the bytes may be off by this share of what the rate allows."""
MAX_PEAK_SHARE = 1.05
"""No second may hold more than this share of the rate (and what the token buckets had saved up)."""
FULL_SHARE = 0.9
"""A second is judged for spacing if the link carried this share of its rate."""

PAYLOAD_BYTES = {"tcp": 1448, "mptcp": 1420}
"""What a full frame of Ethernet carries over IPv4 with time stamps, to a client that has asked for it."""
LONGER_HEADER_BYTES = 20
"""So many fewer over IPv6."""

_NS = 1_000_000_000
_WIRE_BYTES = 1538
_BUCKET_BYTES = 100_000  # what a link's token bucket can save up
_BUCKETS_PER_STRETCH = 10
_SHORTEST_STRETCH_S = 0.01


@dataclass(frozen=True)
class Link:
    """What limits the packets to (of uploads: from) the client: bit/s in each whole second, the captures of them."""

    name: str
    interfaces: tuple[str, ...]
    rates_bps: tuple[float, ...]
    parallel: int


def judge(
    point: Point,
    window: Window,
    events: Sequence[Event],
    load: Sequence[HostLoad],
    files: Sequence[CaptureFile],
    packets: Packets,
    sides: Sides,
) -> Fidelity:
    """The verdict on a point; `files` are those of `packets`, in the order in which its interfaces are numbered."""
    idle = idle_shares(load, window)
    found = []
    for link in links(point, window, events):
        numbers = [number for number, file in enumerate(files) if file.interface.endswith(link.interfaces)]
        moved = sides.from_client if point.is_upload else sides.to_client
        mine = moved & np.isin(packets.interface, np.array(numbers, np.uint16))
        wire = wire_bits(packets.payload_bytes[mine].astype(np.int64), point.protocol, packets.ip_version[mine])
        found.append(spacing(link, packets.time_ns[mine] - window.start_ns, wire))
    return verdict(min(idle, default=None), found, sum(file.dropped for file in files))


def verdict(idle_share_min: float | None, bottlenecks: Sequence[Bottleneck], capture_drops: int) -> Fidelity:
    """The problems in the measured figures; a capture's drops make a point invalid by a rule of their own."""
    problems = []
    if idle_share_min is None:
        problems.append("nobody noted how busy the machine was")
    elif idle_share_min < MIN_IDLE_SHARE:
        problems.append(
            f"the machine was out of CPU: a second with {idle_share_min:.0%} idle time (at least {MIN_IDLE_SHARE:.0%})"
        )
    for link in bottlenecks:
        if link.spacing_error is not None and link.spacing_error > MAX_SPACING_ERROR:
            problems.append(
                f"{link.name}: packets left it unevenly: one stretch of {link.stretch_s * 1000:g} ms in ten is off by "
                f"{link.spacing_error:.0%} of the rate or more (at most {MAX_SPACING_ERROR:.0%})"
            )
        if link.peak_share is not None and link.peak_share > MAX_PEAK_SHARE:
            problems.append(f"{link.name}: a second with {link.peak_share:.0%} of its rate")
    return Fidelity(idle_share_min, tuple(bottlenecks), capture_drops, tuple(problems))


def idle_shares(load: Sequence[HostLoad], window: Window) -> list[float]:
    """The share of idle time in each recorded second of which at least half lies in the workload."""
    shares = []
    for line in load:
        end_ns = round(line.epoch_s * _NS)
        begin_ns = end_ns - round(line.seconds * _NS)
        inside_ns = min(end_ns, window.end_ns) - max(begin_ns, window.start_ns)
        total_s = line.busy_s + line.idle_s + line.stolen_s
        if total_s > 0 and inside_ns * 2 >= end_ns - begin_ns:
            shares.append(line.idle_s / total_s)
    return shares


def links(point: Point, window: Window, events: Sequence[Event]) -> list[Link]:
    """The links that can be full on the way to the client, with their rate in every second; 0: not to be judged."""
    seconds, traits = window.whole_seconds, point.traits
    present = servers_present(events, traits.servers, seconds, directors_of(point))
    changing = {int(event.t_s) for event in changes(events)}
    found = []
    for each in traits.bottlenecks:
        rates = [each.rate_bps] * seconds
        if (per_server_bps := each.per_server_bps) is not None:
            sending = [traits.servers if each.lasting else count for count in present]
            rates = [min(each.rate_bps, count * per_server_bps) for count in sending]
            rates = [0.0 if second in changing else rate for second, rate in enumerate(rates)]
        found.append(Link(each.name, each.interfaces, tuple(rates), each.parallel))
    return found


def directors_of(point: Point) -> int:
    """How many directors its topology has: one, if it does not say."""
    count = point.parameters.get("directors", 1)
    return count if isinstance(count, int) and count > 0 else 1


def servers_present(events: Sequence[Event], servers: int, seconds: int, directors: int = 1) -> list[int]:
    """How many servers can send at the end of each whole second: in the pool of a director, and with power."""
    pool, pending, present = Pool((), directors), list(events), []
    for second in range(seconds):
        while pending and pending[0].t_s < second + 1:
            event = pending.pop(0)
            pool.change(event.event, event.server, by=event.by)
        present.append(servers - len(pool.gone))
    return present


def wire_bits(payload_bytes: NDArray[np.int64], protocol: str, ip_version: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Bits on a wire of Ethernet for each captured packet, a burst of which is as many frames as its payload fills."""
    most = PAYLOAD_BYTES.get(protocol, 1448) - LONGER_HEADER_BYTES * (ip_version == 6)
    frames = np.maximum(-(-payload_bytes // most), 1)
    bits: NDArray[np.int64] = 8 * (payload_bytes + frames * (_WIRE_BYTES - most))
    return bits


def spacing(link: Link, since_start_ns: NDArray[np.int64], bits: NDArray[np.int64]) -> Bottleneck:
    """How evenly a link's packets left it: times since the workload's start, and wire bits of each packet."""
    rates = np.array(link.rates_bps, np.float64)
    highest = float(rates.max(initial=0.0))
    if highest <= 0:
        return Bottleneck(name=link.name, rate_bps=0.0, full_s=0, stretch_s=1.0, spacing_error=None, peak_share=None)
    stretch_s = max(_SHORTEST_STRETCH_S, _BUCKETS_PER_STRETCH * 8 * _BUCKET_BYTES / highest)
    parts = max(1, int(1 / stretch_s))
    at = since_start_ns * parts // _NS
    inside = (at >= 0) & (at < len(rates) * parts)
    sums = np.zeros(len(rates) * parts, np.float64)
    np.add.at(sums, at[inside], bits[inside])
    stretches = sums.reshape(len(rates), parts)
    seconds, known = stretches.sum(axis=1), rates > 0
    share = np.zeros(len(rates))
    share[known] = seconds[known] / rates[known]
    full = share >= FULL_SHARE
    errors = np.abs(stretches[full] / (rates[full][:, None] / parts) - 1) if full.any() else np.zeros(0)
    saved = np.zeros(len(rates))
    saved[known] = 8 * _BUCKET_BYTES * link.parallel / rates[known]
    peak = float((share - saved)[known].max(initial=0.0)) if known.any() else 0.0
    return Bottleneck(
        name=link.name,
        rate_bps=highest,
        full_s=int(full.sum()),
        stretch_s=1 / parts,
        spacing_error=round(float(np.percentile(errors, 90)), 4) if full.any() else None,
        peak_share=round(max(peak, 0.0), 4),
    )
