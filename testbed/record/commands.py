"""Every command that set the lab up or drove its workload: `commands.jsonl`, a line each, in their order."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from testbed.record.model import Count, Record, Seconds, Texts

FILE = "commands.jsonl"


def _readable(words: object) -> object:
    """A name that is no UTF-8 is escaped: the record is text."""
    if not isinstance(words, list | tuple):
        return words
    return tuple(w.encode(errors="backslashreplace").decode() if isinstance(w, str) else w for w in words)


class Command(Record):
    """A command, how it ended (`status` is None for one that was left running), and how long it took."""

    argv: Annotated[Texts, BeforeValidator(_readable)]
    status: Count | None
    seconds: Seconds
