"""docs/your-own.md as it stands there: a director, a topology, a workload and a figure from outside the repository."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import testbed

PAGE = Path(testbed.__file__).parents[1] / "docs" / "your-own.md"
FILES = ("standby.py", "near_and_far.py", "warm.py", "by_server.py", "mine.toml")
PARTS = ("standby.py", "near_and_far.py", "warm.py")


def write_page(folder: Path) -> None:
    """The files of the page, in the order in which it has them."""
    blocks = re.findall(r"^```(?:python|toml)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for name, text in zip(FILES, blocks, strict=False):
        (folder / name).write_text(text)


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "experiments", *words]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    write_page(folder)
    ended = run("run", "mine.toml", "--out", "run", "-j", "1", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_the_points_are_in_the_tables_with_the_names_of_their_parts(folder: Path) -> None:
    rows = pq.read_table(folder / "run/tables/points.parquet").to_pylist()
    assert [(row["topology"], row["director"], row["workload"]) for row in rows] == [
        ("near_and_far.py", "standby.py", "warm.py")
    ]
    assert [row["timetable"] for row in rows] == ["events"]
    assert [row["complete_requests"] for row in rows] == [40]
    assert all(json.loads(row["parameters"])["warm_up"] == 2 for row in rows)


def test_what_the_workload_has_loaded_before_is_in_nobodys_way(folder: Path) -> None:
    rows = pq.read_table(folder / "run/tables/reconciliation.parquet").to_pylist()
    assert {row["quantity"]: row["explained"] for row in rows}["requests"] == 40
    assert all(row["holds"] for row in rows)


def test_both_servers_have_served_one_after_the_other(folder: Path) -> None:
    subflows = pq.read_table(folder / "run/tables/subflows.parquet").to_pylist()
    assert {row["server"] for row in subflows if row["bytes_to_client"]} == {"s1", "s2"}


def test_the_figure_is_drawn_where_it_is_named(folder: Path) -> None:
    assert (folder / "run/figures/mine.png").read_bytes().startswith(b"\x89PNG")
    drawn = run("figures", "run", "--figure", "by_server.py", "--out", "again", cwd=folder)
    assert drawn.returncode == 0, drawn.stderr
    assert (folder / "again/mine.png").read_bytes() == (folder / "run/figures/mine.png").read_bytes()


def test_a_run_is_verified_with_the_code_that_the_user_names(folder: Path) -> None:
    named = [word for part in PARTS for word in ("--part", part)]
    said = run("verify", "run", *named, cwd=folder)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("identical ")
    missing = run("verify", "run", cwd=folder)
    assert missing.returncode == 2
    assert "near_and_far.py" in missing.stderr and "--part near_and_far.py" in missing.stderr


def test_the_copy_in_a_runs_directory_is_executed_only_if_it_is_trusted(folder: Path) -> None:
    (copy,) = (folder / "run/parts").glob("*/standby.py")
    text = copy.read_text()
    trap = folder / "executed"
    try:
        copy.write_text(f"open({str(trap)!r}, 'w').close()\n{text}")
        for command in ("verify", "analyze", "report", "figures"):
            run(command, "run", *(["--out", "x"] if command == "figures" else []), cwd=folder)
        assert run("verify", "run", "--part", str(copy), cwd=folder).returncode == 2
        changed = run("verify", "run", "--trust-code", cwd=folder)
        assert changed.returncode == 2 and "it has been changed since the run" in changed.stderr
        assert not trap.exists()
    finally:
        copy.write_text(text)
    trusted = run("verify", "run", "mine-mptcp-100KB-seed1", "--trust-code", cwd=folder)
    assert trusted.returncode == 0, trusted.stderr


def test_an_error_in_a_part_while_it_runs_is_one_line_with_its_file(folder: Path, tmp_path: Path) -> None:
    write_page(tmp_path)
    broken = (tmp_path / "standby.py").read_text().replace("routing.nexthops(network", "routing.nexthop(network")
    (tmp_path / "standby.py").write_text(broken)
    ended = run("run", "mine.toml", "--out", "run", cwd=tmp_path)
    assert ended.returncode != 0
    said = ended.stderr.strip().splitlines()[-1]
    line = broken.splitlines().index(next(each for each in broken.splitlines() if "nexthop(" in each)) + 1
    assert f"standby.py:{line}: AttributeError" in said, ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_protection_is_put_on_each_server_before_it_serves(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(
        "from testbed.net import sysctl\n"
        "from testbed.protection.base import Protection\n\n\n"
        "class Quiet(Protection):\n"
        "    def protect(self, network, layout, server):\n"
        "        return sysctl.put(network[server.name], {'net.ipv4.tcp_syncookies': 0})\n"
    )
    words = ("workload.sizes=10 KB", "workload.total=100 KB", "protocols=tcp", "protection=./quiet.py")
    ended = run("run", "fig07", "--out", "run", *(word for each in words for word in ("--set", each)), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    (settings,) = (tmp_path / "run/points").glob("*/settings.json")
    assert json.loads(settings.read_text())["s1"]["protection"] == {"net.ipv4.tcp_syncookies": "0"}
