"""Every command that set the lab up or drove its workload: `commands.jsonl`, a line each, in their order."""

from __future__ import annotations

from testbed.record.model import Integer, Record, Seconds, Texts

FILE = "commands.jsonl"


class Command(Record):
    """A command with what it was given to read, how it ended (`status` is None for one that was left running), and how
    long it took.
    """

    argv: Texts
    stdin: str = ""
    status: Integer | None
    seconds: Seconds
