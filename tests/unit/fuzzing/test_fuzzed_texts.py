"""Made-up texts for what reads a line or a page of text: ab's output, quantities, names of labs, the locks."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from random import Random

import pytest
from harness import fuzz
from mutators import ODD_TEXTS, mutate_text

from experiments import plan
from testbed import lock_file
from testbed.base import units
from testbed.kernel import ktap
from testbed.labs import catalog
from testbed.labs.verdict import complaints
from testbed.record.ab import AbResult, parse_ab

DATA = Path(__file__).parents[1]
AB = tuple(path.read_text() for path in sorted((DATA / "analysis" / "data").glob("ab-*.txt")))
QUANTITIES = (
    "100 Mbit/s", "1 Gbit/s", "10 kbit/s", "5 bit/s", "10 KB", "4 GB", "1 KiB", "2 MiB", "100 MB", "20 ms", "1.5 s",
    "90 min", "100 us", "0 s", "1 %", "0.01 %", "100 %", ".5 s", "1. MB", "+3 s",
)  # fmt: skip
UNITS = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "B", "KB", "KiB", "GiB", "us", "ms", "s", "min", "%", "e9", "E+9", "_")
LABS = (
    "uml", "local", "vm", "ssh:host", "ssh:user@host", "ssh:user@host:2022/local", "ssh:[2001:db8::1]:22/uml",
    "ssh:[fe80::1%eth0]", "ssh:a.b.example.org", "ssh:me@10.0.0.1", "ssh:xn--bcher-kva.example",
)  # fmt: skip


def finite_and_not_negative(result: AbResult) -> None:
    for field in fields(result):
        value = getattr(result, field.name)
        if isinstance(value, int | float):
            assert math.isfinite(value) and value >= 0, field.name
    for figure in (
        result.duration_s,
        result.goodput_bps,
        result.upload_goodput_bps(1000),
        result.failed_requests(1000),
    ):
        assert figure is None or math.isfinite(figure)


def test_ab_outputs() -> None:
    fuzz(
        "ab",
        lambda chance: mutate_text(chance, chance.choice(AB), others=AB),
        lambda _folder, text: parse_ab(text, name="ab.txt"),
        check=finite_and_not_negative,
    )


@pytest.mark.parametrize("what", ["rate_bps", "size_bytes", "duration_s", "share"])
def test_quantities(what: str) -> None:
    parse = getattr(units, f"parse_{what}")
    words = (*ODD_TEXTS, *UNITS, *QUANTITIES)

    def check(value: float) -> None:
        assert 0 <= value < math.inf

    fuzz(
        what,
        lambda chance: mutate_text(chance, chance.choice(QUANTITIES), words),
        lambda _folder, text: parse(text),
        check=check,
        errors=(ValueError,),
    )


def test_names_of_labs() -> None:
    def read(_folder: Path, text: str) -> object:
        return catalog.parse(text)

    def check(spec: catalog.LabSpec) -> None:
        assert catalog.parse(str(spec)) == spec
        assert spec.clocks

    fuzz(
        "labs", lambda chance: mutate_text(chance, chance.choice(LABS), others=LABS), read, check=check, longest=1 << 20
    )  # the user's own words


def test_names_of_experiments() -> None:
    names = (*plan.available(), "7", "fig7", "figure 13", "fig07.toml", "experiments/fig07.toml", "./mine.toml")
    fuzz(
        "names", lambda chance: mutate_text(chance, chance.choice(names)), lambda _folder, name: plan.find(name),
        inputs=20_000, longest=1 << 20,
    )  # fmt: skip


def test_lock_files() -> None:
    lines = lock_file.PACKAGES.read_text().splitlines()

    def make(chance: Random) -> str:
        at = chance.randrange(len(lines))
        return mutate_text(
            chance, "\n".join(lines[at : at + 12]), words=(*ODD_TEXTS, "==", " --hash=sha256:", " ; ", "\\\n")
        )

    def read(folder: Path, text: str) -> object:
        (folder / "python.txt").write_bytes(text.encode(errors="surrogatepass"))
        return lock_file.read(folder / "python.txt")

    fuzz("lock", make, read, inputs=20_000)


def test_results_of_kernel_selftests() -> None:
    outputs = tuple(path.read_text() for path in sorted((DATA / "kernel" / "data").glob("*.txt")))

    def make(chance: Random) -> str:
        lines = chance.choice(outputs).splitlines()
        at = chance.randrange(len(lines))
        return mutate_text(chance, "\n".join(["TAP version 13", "1..3", *lines[at : at + 20]]), others=outputs)

    fuzz("ktap", make, lambda _folder, text: (ktap.parse(text), ktap.last_words(text)), inputs=50_000)


def test_logs_of_kernels() -> None:
    log = "[    0.000000] Linux version 6.12\n<4>[  12.5] WARNING: CPU: 0 at net/mptcp/x.c:1\nBUG: x\nCall Trace:\n"
    fuzz(
        "kernel log",
        lambda chance: mutate_text(chance, log),
        lambda _folder, text: complaints(text.splitlines()),
        inputs=50_000,
    )
