from __future__ import annotations

from pathlib import Path

import pytest

from testbed.base.errors import AnalysisError
from testbed.record.ab import Failures, parse_ab, read_ab

DATA = Path(__file__).with_name("data")


def test_a_complete_run() -> None:
    result = read_ab(DATA / "ab-complete.txt")
    assert result.concurrency == 10
    assert result.document_length_bytes == 100_000
    assert result.time_taken_s == 0.137
    assert result.complete_requests == 200
    assert (result.reported_failures, result.failed_requests(result.document_length_bytes), result.failures) == (
        0,
        0,
        Failures(),
    )
    assert (result.non_2xx_responses, result.write_errors) == (0, 0)
    assert (result.total_bytes, result.html_bytes) == (20_040_800, 20_000_000)
    assert (result.requests_per_s, result.transfer_rate_kib_per_s) == (1455.85, 142462.67)
    assert result.percentiles_ms == {50: 4, 66: 4, 75: 5, 80: 5, 90: 6, 95: 6, 98: 7, 99: 7, 100: 7}


def test_an_upload_counts_whole_pages_not_the_headers_nor_what_was_under_way() -> None:
    result = read_ab(DATA / "ab-upload.txt")
    assert (result.complete_requests, result.html_bytes, result.sent_bytes) == (200, 0, 20_030_200)
    assert result.failed_requests(100_000) == 0
    assert result.upload_goodput_bps(100_000) == pytest.approx(200 * 100_000 * 8 / result.duration_s)
    assert result.upload_goodput_bps(100_000) == pytest.approx(147e6, rel=0.002)


def test_the_duration_is_finer_than_the_three_decimals_printed() -> None:
    result = read_ab(DATA / "ab-complete.txt")
    assert result.duration_s == pytest.approx(20_040_800 / 1024 / 142462.67, rel=1e-12)
    assert result.duration_s == pytest.approx(0.137377, abs=1e-6)
    assert result.complete_requests / result.duration_s == pytest.approx(1455.85, abs=0.01)
    assert result.goodput_bps == pytest.approx(20_000_000 * 8 / 0.137377, rel=1e-5)


def test_a_rate_that_contradicts_the_time_printed_is_not_used() -> None:
    text = (DATA / "ab-complete.txt").read_text().replace("142462.67", "100000.00")
    assert parse_ab(text).duration_s == 0.137


def test_an_interrupted_run_still_has_its_totals() -> None:
    result = read_ab(DATA / "ab-interrupted.txt")
    assert (result.complete_requests, result.failed_requests(result.document_length_bytes)) == (148, 0)
    assert result.html_bytes == 3_047_259_136
    assert result.document_length_bytes == 20_000_000


def test_each_broken_request_counts_once_though_ab_adds_up_events() -> None:
    # 20 MB downloads of a server that died: about 63 were whole, 340 of 400 broke, and ab says 850.
    result = read_ab(DATA / "ab-server-died.txt")
    assert (result.complete_requests, result.reported_failures) == (400, 850)
    assert result.failures == Failures(connect=0, receive=340, length=340, exceptions=170)
    assert result.failed_requests(result.document_length_bytes) == 340


def test_an_interrupted_run_with_nothing_complete_has_no_rates() -> None:
    lines = (DATA / "ab-interrupted.txt").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("Requests per", "Time per", "Transfer rate"))]
    text = "\n".join(kept).replace("Complete requests:      148", "Complete requests:      0")
    result = parse_ab(text)
    assert (result.complete_requests, result.requests_per_s, result.duration_s) == (0, None, 1.995)


def test_responses_other_than_2xx_are_seen() -> None:
    result = read_ab(DATA / "ab-non-2xx.txt")
    assert (result.complete_requests, result.non_2xx_responses, result.document_length_bytes) == (50, 50, 335)


def test_a_run_that_ab_aborted_is_one_line() -> None:
    with pytest.raises(AnalysisError) as caught:
        read_ab(DATA / "ab-aborted.txt")
    assert caught.value.message == "ab-aborted.txt: no totals: ab ended before it could print them"


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_no_output_is_one_line(text: str) -> None:
    with pytest.raises(AnalysisError, match="empty: ab printed nothing"):
        parse_ab(text)


def test_totals_cut_in_the_middle_are_one_line() -> None:
    text = (DATA / "ab-complete.txt").read_text()
    with pytest.raises(AnalysisError, match="'Failed requests' is missing"):
        parse_ab(text[: text.index("Failed requests")])


def test_an_absent_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="No such file"):
        read_ab(tmp_path / "ab.txt")


def test_length_failures_count_for_nothing_when_the_first_download_was_cut_short() -> None:
    text = (
        "Concurrency Level: 3\nDocument Length: 40 bytes\nTime taken for tests: 1.000 seconds\n"
        "Complete requests: 9\nFailed requests: 12\n   (Connect: 0, Receive: 2, Length: 8, Exceptions: 2)\n"
        "Total transferred: 1000 bytes\nHTML transferred: 900 bytes\n"
    )
    assert parse_ab(text).failed_requests(100) == 2
    assert parse_ab(text).failed_requests(40) == 8


OLDER = (
    "Concurrency Level: 3\nDocument Length: 40 bytes\nTime taken for tests: 1.000 seconds\n"
    "Complete requests: 90\nFailed requests: 30\n   (Connect: 0, Length: 30, Exceptions: 0)\n"
    "Total transferred: 1000 bytes\nHTML transferred: 900 bytes\n"
)


def test_an_older_ab_has_no_count_of_broken_receptions() -> None:
    assert parse_ab(OLDER).failures == Failures(length=30)
    assert parse_ab(OLDER).failed_requests(40) == 30


def test_failed_requests_of_no_kind_are_one_line() -> None:
    with pytest.raises(AnalysisError, match=r"^ab's output: 30 failed requests, and no line that says of which kinds"):
        parse_ab(OLDER.replace("   (Connect: 0, Length: 30, Exceptions: 0)\n", ""))


def test_two_results_in_a_file_are_one_line() -> None:
    with pytest.raises(AnalysisError, match=r"^ab\.txt: the results of 2 runs of ab: which one"):
        parse_ab(OLDER + (DATA / "ab-complete.txt").read_text(), name="ab.txt")


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("Transfer rate:          142462.67", "Transfer rate: 2.2."),
        ("Transfer rate:          142462.67", "Transfer rate: " + "9" * 400),
        ("Concurrency Level:      10", "Concurrency Level: " + "9" * 400),
        ("Complete requests:      200", "Complete requests: ."),
        ("Complete requests:      200", "Complete requests: \u0662"),
        ("  50%      4", "  50%      " + "9" * 5000),
    ],
)
def test_a_number_that_ab_does_not_print_is_one_line(line: str, instead: str) -> None:
    text = (DATA / "ab-complete.txt").read_text()
    assert line in text
    with pytest.raises(AnalysisError, match="is not a number that ab prints") as caught:
        parse_ab(text.replace(line, instead))
    assert len(str(caught.value)) < 200
