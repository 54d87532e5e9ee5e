"""What ApacheBench 2.3 printed: totals, failures and percentiles of one run of `ab`.

Enters: ab's standard output, whole or ended by SIGINT (ab then still prints its totals). Leaves: `AbResult`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import AnalysisError
from testbed.record import reading

FILE, COMPLAINTS = "ab.txt", "ab.stderr.txt"
"""What ab prints, and what it complains of."""

MEANWHILE, COMPLAINTS_MEANWHILE = "ab-meanwhile.txt", "ab-meanwhile.stderr.txt"
"""The same of what a client loads while it uploads."""

_HINT = f"{COMPLAINTS} beside it may say why"
_BREAKDOWN = re.compile(
    r"\(Connect: (?P<connect>[0-9]+),(?: Receive: (?P<receive>[0-9]+),)? Length: (?P<length>[0-9]+), "
    r"Exceptions: (?P<exceptions>[0-9]+)\)"
)
"""Older versions know no Receive."""

_TOTALS = re.compile(r"^Complete requests:", re.MULTILINE)
_PERCENTILE = re.compile(r"^\s+([0-9]+)%\s+([0-9]+)(?:\s+\(longest request\))?$", re.MULTILINE)
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,9})?")
"""What ab prints, of 64 bits at most; text that only looks like it is no number of ab's."""


@dataclass(frozen=True)
class Failures:
    """ab's breakdown of its failure counter, in events (one broken request is usually several of them)."""

    connect: int = 0
    receive: int = 0
    length: int = 0
    exceptions: int = 0


@dataclass(frozen=True)
class AbResult:
    """The figures of one run of ab, as printed.

    `complete_requests` includes requests that ended early or with an error. `html_bytes` are body bytes,
    `total_bytes` bodies and headers; both include what broken and unfinished requests had transferred. `sent_bytes`
    are the same of uploads, headers included, and 0 for downloads.
    `requests_per_s` and `transfer_rate_kib_per_s` are None where ab left them out (nothing was complete).
    """

    concurrency: int
    document_length_bytes: int
    time_taken_s: float
    complete_requests: int
    reported_failures: int
    failures: Failures
    write_errors: int
    non_2xx_responses: int
    total_bytes: int
    html_bytes: int
    sent_bytes: int
    requests_per_s: float | None
    transfer_rate_kib_per_s: float | None
    percentiles_ms: Mapping[int, int]

    def failed_requests(self, object_bytes: int) -> int:
        """Requests for an object of `object_bytes` that failed, each counted once.

        ab's own "Failed requests" adds up events: a download that is reset counts as Receive, as Length (it is
        short) and as Exceptions (the poll reported an error) (`read_connection`, `close_connection` and `test` in
        httpd's support/ab.c). Only a Connect failure stands alone. Length is a comparison with the first download
        that ended: if that one was cut short, it counts the whole ones, and says nothing.
        """
        length = self.failures.length if self.document_length_bytes == object_bytes else 0
        other = max(self.failures.receive, length, self.failures.exceptions)
        return max(self.failures.connect + other, 1 if self.reported_failures else 0)

    @property
    def duration_s(self) -> float:
        """Time taken, with more digits than the three decimals that ab prints where its own rates give them."""
        if not self.transfer_rate_kib_per_s:
            return self.time_taken_s
        finer = self.total_bytes / 1024 / self.transfer_rate_kib_per_s
        return finer if abs(finer - self.time_taken_s) <= 0.00051 else self.time_taken_s

    @property
    def goodput_bps(self) -> float | None:
        """Body bits per second over the whole run, or None when it took no time."""
        return self.html_bytes * 8 / self.duration_s if self.duration_s > 0 else None

    def upload_goodput_bps(self, object_bytes: int) -> float | None:
        """Bits per second of the whole uploads of `object_bytes` that were answered, or None when it took no time.

        ab counts a request as begun when all of it is written: at the end up to `concurrency` - 1 further uploads
        are under way, which take their share of the links and are not counted.
        """
        whole = self.complete_requests - self.failed_requests(object_bytes)
        return whole * object_bytes * 8 / self.duration_s if self.duration_s > 0 else None


def read_ab(path: Path) -> AbResult:
    """The result in a file that holds ab's standard output; raises AnalysisError as `parse_ab` does."""
    return parse_ab(reading.read_text(path, errors="replace"), name=path.name)


def parse_ab(text: str, *, name: str = "ab's output") -> AbResult:
    """The result in ab's standard output; raises AnalysisError when it is empty or has no totals."""
    if not text.strip():
        raise AnalysisError(f"{name}: empty: ab printed nothing", hint=_HINT)
    if "Complete requests:" not in text:
        raise AnalysisError(f"{name}: no totals: ab ended before it could print them", hint=_HINT)
    if (results := len(_TOTALS.findall(text))) > 1:
        raise AnalysisError(f"{name}: the results of {results} runs of ab: which one?", hint="keep the point's own")

    def optional(label: str) -> float | None:
        found = re.search(rf"^{re.escape(label)}:[ \t]+(\S+)", text, re.MULTILINE)
        return None if found is None else _parse(found[1], label, name)

    def number(label: str) -> float:
        value = optional(label)
        if value is None:
            raise AnalysisError(f"{name}: the line {label!r} is missing: the output is cut", hint=_HINT)
        return value

    def count(digits: str) -> int:
        return int(_parse(digits, "count", name))

    breakdown = _BREAKDOWN.search(text)
    by_kind = breakdown.groupdict(default="0") if breakdown else {}
    reported = int(number("Failed requests"))
    if reported and not breakdown:
        raise AnalysisError(f"{name}: {reported} failed requests, and no line that says of which kinds", hint=_HINT)
    return AbResult(
        concurrency=int(number("Concurrency Level")),
        document_length_bytes=int(number("Document Length")),
        time_taken_s=number("Time taken for tests"),
        complete_requests=int(number("Complete requests")),
        reported_failures=reported,
        failures=Failures(**{kind: count(digits) for kind, digits in by_kind.items()}),
        write_errors=int(optional("Write errors") or 0),
        non_2xx_responses=int(optional("Non-2xx responses") or 0),
        total_bytes=int(number("Total transferred")),
        html_bytes=int(number("HTML transferred")),
        sent_bytes=int(optional("Total body sent") or 0),
        requests_per_s=optional("Requests per second"),
        transfer_rate_kib_per_s=optional("Transfer rate"),
        percentiles_ms={count(share): count(time_ms) for share, time_ms in _PERCENTILE.findall(text)},
    )


def _parse(text: str, label: str, name: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise AnalysisError(f"{name}: {label!r}: {text[:30]!r} is not a number that ab prints", hint=_HINT)
    return float(text)
