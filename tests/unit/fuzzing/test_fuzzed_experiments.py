"""Made-up experiment files and `--set` options: a plan, or one line with the place."""

from __future__ import annotations

from pathlib import Path
from random import Random

from harness import fuzz
from mutators import ODD_TEXTS, mutate_text

from experiments import plan
from experiments.document import parse_option

SHIPPED = tuple(path.read_text() for path in sorted(plan.SHIPPED.glob("*.toml")))
# The comments are of no interest, and tomllib takes its time.
SHORT = tuple("\n".join(line for line in text.splitlines() if line and line[0] != "#") for text in SHIPPED)
WORDS = (
    *ODD_TEXTS, "= 1", "= []", "= {}", '= "1 s"', "[[variant]]\nname = 'a'\n", "[[condition]]\n", "[profile.quick]\n",
    "[sysctl]\n'net.ipv4.tcp_sack' = 0\n", "[drop]\npacket = 'add-addr'\n", "seed", "0.1 us", "1e9",
    "1979-05-27T07:32:00Z",
    '"""', "'''", "\\u0000",
)  # fmt: skip
OPTIONS = (
    "workload.concurrency=20", 'workload.sizes="1000 KB"', "topology.client_director.rate=50Mbit/s",
    "sysctl.net.ipv4.x=1",
    "mptcp.lb_mode=close", "protocols=tcp,mptcp", "sysctl.router.net.ipv4.fib_multipath_hash_policy=1",
    "workload.total=1 GB",
)  # fmt: skip


def test_experiment_files() -> None:
    def read(folder: Path, text: str) -> object:
        path = folder / "mine.toml"
        path.write_bytes(text.encode(errors="surrogatepass"))
        experiment = plan.load(path)
        return plan.plan(experiment, seeds=(1,))

    fuzz(
        "experiments",
        lambda chance: mutate_text(chance, chance.choice(SHORT), WORDS, SHORT),
        read,
        inputs=4000,
        most_s=5,
    )


def test_options() -> None:
    fuzz(
        "options",
        lambda chance: mutate_text(chance, chance.choice(OPTIONS), WORDS),
        lambda _folder, text: parse_option(text),
        inputs=20_000,
        longest=1 << 20,
    )


def test_options_on_an_experiment() -> None:
    experiment = plan.load(plan.find("fig13"))

    def make(chance: Random) -> list[str]:
        return [mutate_text(chance, each, WORDS) for each in chance.choices(OPTIONS, k=chance.randint(1, 2))]

    fuzz(
        "experiment and options",
        make,
        lambda _folder, texts: plan.plan(experiment, overrides=texts),
        inputs=2000,
        most_s=5,
        longest=1 << 20,
    )
