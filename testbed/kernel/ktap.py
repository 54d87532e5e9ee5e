"""What a kernel selftest printed: KTAP results, and from the lines above them why a subtest failed or was skipped.

Source: Documentation/dev-tools/ktap.rst; the wording is mptcp_lib.sh's (tools/testing/selftests/net/mptcp).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "fail", "skip", "ignored"]
"""`ignored` is a failure that the test itself calls flaky."""

_PLAN = re.compile(r"^1\.\.(\d{1,9})$")
_RESULT = re.compile(r"^(?P<bad>not )?ok \d+ - \w+: (?P<name>.*?)\s*# (?P<rest>.*)$")
_TIME = re.compile(r"\btime=(\d{1,12})ms$")
_HEADING = re.compile(r"^\d{2,} +(.*)$")
_AFTER_HEADING = re.compile(r"\[ OK \]|\[FAIL\]|\[SKIP\]|\[IGNO\]|\(duration ")
_TAG = re.compile(r"\[(?:FAIL|SKIP|IGNO)\]")
_SUMMARY = "see above"
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Subtest:
    """One line of results: `note` says why it is not ok, `clock_ms` how long it took on the guest's clock."""

    name: str
    outcome: Outcome
    note: str = ""
    clock_ms: int = 0


def parse(text: str) -> tuple[Subtest, ...] | None:
    """The results in a script's output, in order; None if they are not all there (it was cut short, or skipped whole).

    A name that comes twice gets a number, so that it can be found in another run.
    """
    lines = [line.rstrip() for line in text.splitlines()]
    plan = next((number for number, line in enumerate(lines) if _PLAN.match(line)), None)
    if plan is None:
        return None
    expected = int(lines[plan].removeprefix("1.."))
    explained = _explanations(lines[:plan])
    seen: Counter[str] = Counter()
    found = []
    for match in filter(None, map(_RESULT.match, lines[plan:])):
        name = _squeeze(match["name"])
        seen[name] += 1
        again = f" ({seen[name]})" if seen[name] > 1 else ""
        found.append(_subtest(name, again, match, explained))
    return tuple(found) if len(found) == expected else None


def last_words(text: str) -> str:
    """The last line that says something: why a script without results ended."""
    lines = [_squeeze(_TAG.sub("", line)) for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), "no output")


def _subtest(name: str, again: str, match: re.Match[str], explained: dict[str, list[str]]) -> Subtest:
    rest = match["rest"]
    time = _TIME.search(rest)
    comment = _TIME.sub("", rest).strip()
    outcome: Outcome = "fail" if match["bad"] else "ok"
    if not match["bad"] and comment.startswith("SKIP"):
        outcome, comment = "skip", comment.removeprefix("SKIP").strip()
    elif not match["bad"] and comment.startswith("IGNORE"):
        outcome, comment = "ignored", ""
    if outcome != "ok":
        # mptcp_connect.sh puts the group of tests before the heading's text.
        heading = name if name in explained else name.partition(": ")[2]
        comment = "; ".join(explained.get(heading, [])) or comment
    return Subtest(name + again, outcome, comment, int(time[1]) if time else 0)


def _explanations(lines: list[str]) -> dict[str, list[str]]:
    """The marked lines below (or on) each heading such as `017 signal address`, by the heading's text."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in lines:
        check, *why = _TAG.split(line, maxsplit=1)
        if match := _HEADING.match(line):
            heading = _squeeze(_AFTER_HEADING.split(match[1])[0])
            found.setdefault(heading, [])
            check = ""
        if heading and why and (said := _squeeze(why[0])) != _SUMMARY:
            found[heading].append(": ".join(filter(None, (_squeeze(check), said))))
    return found


def _squeeze(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()
