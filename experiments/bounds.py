"""How large an experiment may be: what no machine would come to the end of is refused where it is written.

The bounds are far beyond the paper (400,000 requests, 150 GB, 16 changes a point) and far below what fills a memory
while the points are planned, or keeps a lab at work for months.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from experiments.composition import largest_seed
from experiments.document import Document
from experiments.schema import AnycastSettings, LoadBalancerSettings
from experiments.values import MAX_REQUESTS
from testbed.base.errors import UsageError

MOST_BYTES = 10**13
MOST_CHANGES = 10_000
MOST_SECONDS = 100_000
MOST_POINTS = 10_000


def check(settings: LoadBalancerSettings | AnycastSettings, document: Document) -> None:
    """Raise ConfigError with `file:line` (or UsageError for an option) for what is too large."""
    if isinstance(settings, LoadBalancerSettings):
        _check_pages(settings, document)
    else:
        _check_downloads(settings, document)


def check_plan(scenario: str, per_seed: int, seeds: Sequence[int]) -> None:
    """Raise UsageError for more points, or larger seeds, than there can be."""
    if (count := per_seed * len(seeds)) > MOST_POINTS:
        what = f"{count} points are more than {MOST_POINTS}"
        raise UsageError(what, hint="fewer seeds (--repeat), sizes or variants")
    most, what = largest_seed(scenario)
    if (largest := max(seeds)) > most:
        raise UsageError(f"seed {largest}: {what} takes {most} at most")


def _check_pages(settings: LoadBalancerSettings, document: Document) -> None:
    workload = settings.workload
    for size_bytes in workload.sizes_bytes:
        requests = workload.requests(size_bytes)
        if requests > MAX_REQUESTS:
            what = f"{requests} requests for pages of {size_bytes} bytes, more than {MAX_REQUESTS}"
            raise document.error(("workload", "total"), what, hint="a smaller total, or max_requests")
        if requests * size_bytes > MOST_BYTES:
            what = f"{requests * size_bytes / 1e12:.3g} TB in pages of {size_bytes} bytes, more than 10 TB"
            raise document.error(("workload", "total"), what, hint="a smaller total or fewer requests")


def _check_downloads(settings: AnycastSettings, document: Document) -> None:
    topology, duration_s, churn = settings.topology, settings.workload.duration_s, settings.churn
    if duration_s > MOST_SECONDS:
        what = f"{duration_s:g} s, of which each is sampled, are more than {MOST_SECONDS}"
        raise document.error(("workload", "duration"), what)
    rate_bps = min(topology.client_rate_bps, topology.servers * topology.server_rate_bps)
    if rate_bps * duration_s / 8 > MOST_BYTES:
        what = f"{rate_bps * duration_s / 8e12:.3g} TB at the rate of the links, more than 10 TB"
        raise document.error(("workload", "duration"), what, hint="a shorter duration, or slower links")
    if churn is None:
        return
    changes = 2 * Fraction(str(duration_s)) / Fraction(str(churn.cycle_s))
    if changes > MOST_CHANGES:
        what = f"{int(changes)} changes of the routes in {duration_s:g} s, more than {MOST_CHANGES}"
        raise document.error(("churn", "cycle"), what, hint="a longer cycle")
