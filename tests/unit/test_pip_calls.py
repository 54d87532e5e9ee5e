"""Nowhere does the toolkit let pip choose: each call that fetches or installs says that the lock is all there is."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CALL = re.compile(r"""\bpip3?["']?,? ["']?(install|wheel|download)\b""")
READS = re.compile(r"""(?<!read )(?<![\w-])-r["',]* """)


def lines() -> list[tuple[str, int, list[str]]]:
    """Every line of programs: file, number, and the lines about it."""
    files = [CHECKOUT / "Makefile", *(CHECKOUT / ".ci").iterdir()]
    for package in ("analysis", "experiments", "testbed", "topologies"):
        files += [path for path in (CHECKOUT / package).rglob("*") if path.suffix in (".py", ".sh")]
    found = []
    for path in sorted(files):
        text = path.read_text(encoding="utf-8").splitlines()
        for number in range(len(text)):
            first = max(0, number - 12)
            found.append((f"{path.relative_to(CHECKOUT)}:{number + 1}", number - first, text[first : number + 13]))
    return found


def test_every_call_of_pip_takes_neither_dependencies_nor_builders_that_it_finds_itself() -> None:
    calls = [(where, "\n".join(about)) for where, at, about in lines() if CALL.search(about[at])]
    assert {where.partition(":")[0] for where, _ in calls} == {
        ".ci/install-locked",
        "testbed/labs/ssh/remote/environment.py",
        "testbed/labs/ssh/provisioning.py",
    }
    for where, about in calls:
        assert "--no-deps" in about and "--no-build-isolation" in about, f"{where}: pip may choose:\n{about}"


def test_every_requirement_file_is_installed_with_its_hashes() -> None:
    reading = [(where, about[at], "\n".join(about)) for where, at, about in lines() if READS.search(about[at])]
    reading = [each for each in reading if each[0].startswith((".ci/install", "testbed/labs/ssh/"))]
    assert len(reading) >= 5
    for where, line, about in reading:
        assert "--require-hashes" in line or ("*locked" in line and "--require-hashes" in about), f"{where}: {line}"
