"""The report's page: whole, self-contained, and saying what the claims found."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from claim_points import SIZES, page, pages, scheme
from PIL import Image
from report_maker import PATCH, POINTS, Page, make_run

from analysis.claims import CLAIMS, Verdict
from analysis.report import Report, compile_report, read_run, render_page
from analysis.tables import TABLES, write_tables


def compiled(*runs: Path) -> Report:
    return compile_report([read_run(run) for run in runs])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("report") / "mine", POINTS)


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return render_page(compiled(run))


@pytest.fixture(scope="module")
def parsed(html: str) -> Page:
    return Page(html)


def test_every_element_is_closed_and_every_id_unique(parsed: Page) -> None:
    assert parsed.open == []
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))


def test_the_page_needs_nothing_from_elsewhere(parsed: Page, html: str) -> None:
    ids = set(parsed.values("id"))
    for link in parsed.values("href"):
        assert link.startswith("#") and link[1:] in ids
    assert all(source.startswith("data:image/svg+xml;base64,") for source in parsed.values("src"))
    assert not {tag for tag, _ in parsed.elements} & {"link", "iframe", "object", "base"}
    policy = next(attrs["content"] for tag, attrs in parsed.elements if "http-equiv" in attrs)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    outside = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"https?://|@import|url\(", outside)


def test_every_image_is_a_whole_drawing_with_a_text_instead(parsed: Page) -> None:
    images = [attrs for tag, attrs in parsed.elements if tag == "img"]
    assert len(images) == 3
    for attrs in images:
        root = ElementTree.fromstring(base64.b64decode(str(attrs["src"]).partition(",")[2]))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 10
        references = {value for element in root.iter() for name, value in element.attrib.items() if "href" in name}
        assert all(reference.startswith("#") for reference in references)
    assert str(images[0]["alt"]).startswith("Fig. 7: Page loads: transfer rate")
    assert "TCP 94.0 to 94.0 Mbit/s; MPTCP, as in the paper 900.0 to 900.0 Mbit/s" in str(images[0]["alt"])


def test_a_run_with_tables_is_looked_at_closely_and_one_without_says_so(run: Path, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "with-tables", [])
    found = {name: table.of_rows(()) for name, table in TABLES.items()}
    point = {
        "point": "p", "experiment": "fig07", "title": "Page <loads>", "topology": "load-balancer", "protocol": "mptcp",
        "service_path": "director", "ends_by": "requests",
        "clock": "virtual", "object_bytes": 1_000_000, "seed": 1, "variant": "", "condition": "", "valid": True,
    }  # fmt: skip
    subflow = {
        "point": "p", "connection": 0, "subflow": 0, "path": "director", "server": "s1",
        "bytes_to_client": 9, "bytes_to_server": 1,
    }  # fmt: skip
    found["points"] = TABLES["points"].of_rows([point])
    found["subflows"] = TABLES["subflows"].of_rows([subflow])
    write_tables(directory, found)
    report = compiled(directory, run)
    with_tables, without = report.details
    assert [figure.name for figure in with_tables.figures] == ["fig07-bytes"] and not with_tables.missing
    assert without.figures == () and without.missing == "mine/tables: there are no tables (testbed analyze)"
    page = Page(render_page(report))
    (png,) = [source for source in page.values("src") if source.startswith("data:image/png;base64,")]
    picture = Image.open(io.BytesIO(base64.b64decode(png.partition(",")[2])))
    assert (picture.format, picture.mode, picture.width) == ("PNG", "P", 691)
    assert page.values("loading") == []  # a picture that waits to be scrolled to may be missing in print
    assert "Page <loads>: bytes per path" in page.values("alt") and without.missing in page.text


def test_every_claim_has_a_row_and_its_method(parsed: Page) -> None:
    ids = set(parsed.values("id"))
    shown = [claim for claim in CLAIMS if f"claim-{claim.id}" in ids]
    for claim in shown:
        assert f"method-{claim.id}" in ids
        assert claim.sentence in parsed.text
        assert claim.tolerance in parsed.text
    assert {claim.figure for claim in shown} <= {"", "7", "11", "13"} and len(shown) == 7


def test_claims_about_points_that_are_not_there_are_counted_and_not_listed(run: Path, parsed: Page) -> None:
    report = compiled(run)
    assert len(report.judgements) + report.elsewhere == len(CLAIMS)
    assert not [
        each for each in report.judgements if each.finding.reason.startswith("no such point") and not each.others
    ]
    assert f"{report.elsewhere} more claims are about points that are not here" in parsed.text
    # One whose points are there, but none of them valid, is listed: it was asked for.
    (bad,) = [each for each in report.judgements if each.claim.id == "fig11-tcp-16"]
    assert "no valid point: capture drops" in bad.finding.reason
    gone = {each.id for each in CLAIMS} - {each.claim.id for each in report.judgements}
    assert "fig14-no-failure" not in {each.claim.id for each in report.judgements} and gone


def test_a_verdict_is_a_word_and_a_sign_not_a_colour_alone(parsed: Page) -> None:
    for verdict, sign in ((Verdict.HOLDS, "✓"), (Verdict.FAILS, "✗"), (Verdict.OPEN, "?")):
        assert f"{sign} {verdict.value}" in parsed.text


def test_environment_warnings_and_repetition_are_there(parsed: Page, run: Path) -> None:
    for text in (
        "6.12.117", PATCH, "9.8.7", "tcpdump 4.99.3-1", "mine: bad: invalid: capture drops: 7 <packets>",
        "client <----> director", "testbed run fig07 --set 'workload.total=1 MB'", f"testbed verify {run}",
        "a" * 64, "b" * 64, "one seed only",
    ):  # fmt: skip
        assert text in parsed.text
    assert "c" * 64 not in parsed.text  # only what was measured


def test_a_figure_stands_beside_what_the_paper_has(run: Path) -> None:
    figures = {figure.name: figure for figure in compiled(run).figures}
    assert sorted(figures) == ["fig07", "fig11", "fig13"]
    assert [judgement.claim.id for judgement in figures["fig11"].judgements] == [
        "fig11-mptcp-803",
        "fig11-tcp-16",
    ]
    assert figures["fig07"].curves == ("TCP", "MPTCP, as in the paper")
    assert [row.object_kb for row in figures["fig07"].rows] == [size / 1000 for size in SIZES]
    assert figures["fig07"].rows[-1].cells == ((94.0, 0.0), (900.0, 95.0))


def test_a_figure_of_one_size_has_a_row_for_each_curve(tmp_path: Path) -> None:
    schemes = [scheme(name, "no loss") for name in ("flag only", "+ resend", "+ backup")]
    parsed = Page(render_page(compiled(make_run(tmp_path / "mine", schemes))))
    assert parsed.open == []
    assert re.search(r"flag only\s*90.0\s*95.0\s*\+ resend\s*90.0\s*95.0\s*\+ backup\s*90.0\s*95.0", parsed.text)


def test_a_figure_in_words_has_no_invalid_points(tmp_path: Path) -> None:
    points = [page("7", "tcp", 10_000, 90.0), page("7", "tcp", 10_000, 2.0, seed=2, valid=False)]
    (figure,) = compiled(make_run(tmp_path / "mine", points)).figures
    assert "TCP 90.0 to 90.0 Mbit/s" in figure.description


def test_the_same_runs_give_the_same_page(run: Path, html: str) -> None:
    assert render_page(compiled(run)) == html


def test_runs_are_judged_together(tmp_path: Path) -> None:
    loads = make_run(tmp_path / "loads", pages("7", "mptcp", 900.0))
    late = make_run(tmp_path / "late", [*pages("9", "mptcp", 200.0), *pages("9", "tcp", 20.0)])
    tcp = make_run(tmp_path / "tcp", pages("7", "tcp", 90.0), kernel={"id": "other"})
    report = compiled(loads, late, tcp, loads)
    assert report.runs == ("loads", "late", "tcp")
    found = next(j for j in report.judgements if j.claim.id == "fig09-strong-effect-of-200-ms")
    assert found.verdict is Verdict.HOLDS
    assert "the runs have different kernels (295f7df4419e, other); the claims take them together" in report.warnings
    assert [figure.title for figure in report.figures] == ["Fig. 7: Page loads", "Fig. 9: Page loads"]


def test_what_other_schemes_come_to_stands_beside_a_claim(tmp_path: Path) -> None:
    run = make_run(tmp_path / "all", [*pages("7", "mptcp", 900.0), *pages("7", "mptcp", 655.0, scheme="upstream")])
    text = Page(render_page(compiled(run))).text
    assert re.search(r"By MPTCP, as in the paper\.\s*✗ does not hold\s*MPTCP, upstream\s*500 KB: 655.0 Mbit/s", text)


def test_curves_of_several_kernels_are_in_one_figure_and_say_which(tmp_path: Path) -> None:
    old, new = (
        make_run(tmp_path / release, pages("7", "mptcp", 900.0, kernel=release), kernel={"id": release})
        for release in ("6.12.117", "7.3.4")
    )
    (figure,) = compiled(old, new).figures
    assert figure.curves == ("MPTCP, as in the paper, Linux 6.12", "MPTCP, as in the paper, Linux 7.3")


def kernel(release: str, build: str) -> dict[str, object]:
    return {
        "id": build,
        "release": release,
        "flavour": "uml",
        "source": f"linux {release}",
        "patches": [{"name": build}],
    }


def test_a_run_that_went_on_with_another_kernel_names_both(tmp_path: Path) -> None:
    points = [*pages("7", "mptcp", 900.0, kernel="6.12.117"), *pages("9", "mptcp", 200.0, kernel="7.3.4")]
    old, new = kernel("6.12.117", "295f7df4419e"), kernel("7.3.4", "aaa")
    labs = [{"name": "uml", "kernel": new}]
    again = {"command": ["testbed", "run", "--resume"], "kernel": new, "labs": labs, "toolkit": "9.9"}
    run = make_run(tmp_path / "two", points, kernel=old, resumed=[again, again])
    report = compiled(run)
    assert [w for w in report.warnings if "kernels" in w] == [
        "two: its points have different kernels (295f7df4419e, aaa); the claims take them together"
    ]
    (environment,) = report.environments
    assert [value for name, value in environment.rows if name == "Kernel"] == [
        "6.12.117 (uml), build 295f7df4419e",
        "7.3.4 (uml), build aaa",
    ]
    assert [value for name, value in environment.rows if name == "Patches"] == ["295f7df4419e", "aaa"]
    assert [value for name, value in environment.rows if name == "Toolkit"] == ["9.8.7", "9.9"]


def test_a_kernel_of_a_run_that_none_of_the_points_shown_ran_on_is_no_reason_to_warn(tmp_path: Path) -> None:
    old, new = kernel("6.12.117", "295f7df4419e"), kernel("7.3.4", "aaa")
    run = make_run(
        tmp_path / "one", pages("7", "mptcp", 900.0, kernel="6.12.117"), kernel=old, resumed=[{"kernel": new}]
    )
    assert not [warning for warning in compiled(run).warnings if "kernels" in warning]


def test_of_several_labs_every_kernel_is_named_and_builds_alike_in_release_are_not_told_apart(tmp_path: Path) -> None:
    ours, theirs = kernel("6.12.117", "295f7df4419e"), kernel("6.12.117", "bbb")
    labs = [{"name": "uml", "kernel": ours}, {"name": "vm", "kernel": theirs}, {"name": "none"}]
    run = make_run(tmp_path / "labs", pages("7", "mptcp", 900.0, kernel="6.12.117"), kernel=ours, labs=labs)
    report = compiled(run)
    assert (
        "labs: its points have different kernels (295f7df4419e, 295f7df4419e or bbb); the claims take them together"
        in (report.warnings)
    )
    assert [value[-12:] for name, value in report.environments[0].rows if name == "Kernel"] == [
        "295f7df4419e",
        "), build bbb",
    ]


def test_points_that_are_no_repeats_are_drawn_apart(tmp_path: Path) -> None:
    quick = make_run(tmp_path / "quick", pages("7", "mptcp", 900.0))
    other = make_run(tmp_path / "other", pages("7", "mptcp", 800.0, profile="paper"))
    titles = [figure.title for figure in compiled(quick, other).figures]
    assert titles == ["Fig. 7: Page loads (quick)", "Fig. 7: Page loads (other)"]
    assert [figure.name for figure in compiled(quick, other).figures] == ["fig07", "fig07-1"]


def test_counts_that_do_not_agree_are_a_warning(tmp_path: Path) -> None:
    line = "RSTs from the servers: 40 counted, 80 captured: DO NOT AGREE (why)"
    run = make_run(tmp_path / "odd", [replace(POINTS[0], disagreements=(line,)), *POINTS[1:3]])
    assert f"odd: {POINTS[0].id}: {line}" in compiled(run).warnings


def test_a_run_that_is_not_whole_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "half", POINTS[:1], state="interrupted", points=[POINTS[0].id, "never-run"])
    warnings = compiled(run).warnings
    assert "half: the run is not complete (state: interrupted)" in warnings
    assert "half: never-run: planned, but it has no result" in warnings
