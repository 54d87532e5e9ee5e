"""What `testbed explore` cannot do is said in one line, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.api import finding_files, moments
from experiments.api.explorations import Asked, points_of
from experiments.api.finding_files import Expected, FindingFile
from experiments.cli.main import main
from testbed.record.exploration import Change, Fault

FINDING = FindingFile(
    experiment="fig07",
    point="fig07-paper-mptcp-100KB-seed1",
    set=('workload.sizes=["100 KB"]',),
    scheme="paper",
    fault=(Fault(packet=17, what="delayed", delay_s=0.2), Fault(packet=20, what="lost")),
    change=(Change(event="server-removed", at_s=0.5, server="s1"),),
    expected=Expected(outcome="slower", finding="late join", extra_s=1.5, digest="abc"),
)


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["explore", *arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "which experiment, and where to?"),
        (("fig07",), "which experiment, and where to?"),
        (("fig07", "--out", "out", "--packets", "9-3"), "--packets 9-3: not the numbers of packets"),
        (("fig07", "--out", "out", "--packets", "some"), "--packets some: not the numbers of packets"),
        (("fig07", "--out", "out", "--fault", "eaten"), "'eaten' is not one of"),
        (("fig07", "--out", "out", "--moment", "explode"), "--moment explode: no such event"),
        (("fig07", "--out", "out", "--moment", ""), "--moment : no such event"),
        (("fig07", "--out", "out", "--moment", "remove:0"), "--moment remove:0: '0' is not a number of one, from 1"),
        (("fig07", "--out", "out", "--moment", "remove:x"), "--moment remove:x: 'x' is not a number of one, from 1"),
        (("fig07", "--out", "out", "--moment", f"flip:{'9' * 5000}"), "is not a number of one, from 1"),
        (("fig07", "--out", "out", "--moment", "flip"), "there are no equal-cost paths to flip (--set topology.dire"),
        (("fig14", "--out", "out", "--moment", "flip:3"), "a flip by 3 leads every flow where it was"),
        (("fig07", "--out", "out", "--moment", "link_down"), "--moment link_down: which link? (link_down:r1-r2)"),
        (("fig07", "--out", "out", "--moment", "link_down:R1"), "'R1' is not the name of a link, such as r1-r2"),
        (("fig07", "--out", "out", "--moment", "link_down:r1-r2"), "there is no link 'r1-r2': the topology has no rou"),
        (("fig03", "--only", "download", "--out", "out", "--moment", "link_down:r1-r9"), "'r1-r9'; there are r1-r2, r"),
        (("fig03", "--only", "download", "--out", "out", "--moment", "link_cost:r1-r2"), "it cannot be taken back"),
        (("fig07", "--out", "out", "--moment", "remove"), "a pool of one server"),
        (("fig07", "--out", "out", "--moment", "remove:2"), "there is no server 2 (they are numbered 1 to 1)"),
        (("fig07", "--out", "out", "--moment", "lose_director"), "there is one director"),
        (("fig07", "--out", "out", "--moment", "add", "--fault", "lost"), "--moment makes no faults"),
        (("fig07", "--out", "out", "--only", "nothing-like-it"), "it has no point of mptcp that can be explored"),
        (("fig07", "--out", "out", "--bound", "nan"), "nan is not a number"),
        (("fig07", "--out", "out", "--kernel", "9.9"), "no lab kernel '9.9'"),
        (("fig07", "--out", "out", "--kernel", "6.12", "--kernel", "6.12"), "--kernel 6.12: it is given twice"),
        (("--repeat", "finding.toml", "--fault", "lost"), "does what the file says: it takes no --fault"),
        (("--repeat", "finding.toml", "--moment", ""), "does what the file says: it takes no --moment"),
        (("upload", "--out", "out"), "explored are downloads, and this uploads (others: --only TEXT of their ids)"),
        (("fig07", "--out", "."), ".: it is there already"),
        (("fig07", "--out", "bad.toml"), "bad.toml: not a directory (name a directory"),
        (("fig07", "--out", "nowhere"), "nowhere: a link that leads nowhere (name a directory"),
        (("fig07", "--out", "out", "--lab", "local"), "an exploration is in virtual time"),
        (("fig07", "--repeat", "finding.toml"), "take no experiment"),
        (("--repeat", "none.toml"), "none.toml: cannot be read"),
        (("--repeat", "bad.toml"), "bad.toml:1: not valid TOML: invalid statement"),
        (("--repeat", "deep.toml"), "deep.toml: its brackets are nested too deep"),
        (("--repeat", "strange.toml"), "strange.toml: 'fault.0.what' is 'eaten'"),
        (("--repeat", "other.toml"), "fig07 has no point 'fig99-seed1'"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = finding_files.text(FINDING, title="", comments=(), whats={})
    (tmp_path / "bad.toml").write_text("= 1")
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "deep.toml").write_text(f"fault = {'[' * 10_000}")
    (tmp_path / "strange.toml").write_text(text.replace('"delayed"', '"eaten"'))
    (tmp_path / "other.toml").write_text(text.replace("fig07-paper-mptcp-100KB-seed1", "fig99-seed1"))
    assert status_of(*arguments) == 2
    said = capsys.readouterr().err
    assert line in said and "Traceback" not in said and len(said.splitlines()) <= 2, said


def test_a_finding_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "finding.toml"
    whats = {17: "ADD_ADDR 1, server to client, initial subflow"}
    path.write_text(finding_files.text(FINDING, title="late join", comments=["3 cases are like it."], whats=whats))
    assert finding_files.read(path) == FINDING
    assert "[[fault]]  # ADD_ADDR 1, server to client, initial subflow" in path.read_text()


@pytest.mark.parametrize("moment", ["restart_director", "crash", "back"])
def test_one_director_can_start_again_and_one_server_lose_its_power(moment: str) -> None:
    (point,) = points_of(Asked(experiment="fig07"))
    event, _ = moments.change_of(moment)
    moments.require(point, event)
