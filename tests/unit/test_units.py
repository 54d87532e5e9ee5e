"""Quantities need a unit, and come out exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.base import units


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_rate_bps, "100 Mbit/s", 100_000_000),
        (units.parse_rate_bps, "1Gbit/s", 1_000_000_000),
        (units.parse_rate_bps, " 2.5  Gbit/s ", 2_500_000_000),
        (units.parse_size_bytes, "10 KB", 10_000),
        (units.parse_size_bytes, "10 KiB", 10_240),
        (units.parse_size_bytes, "10000 KB", 10_000_000),
        (units.parse_size_bytes, "4 GB", 4_000_000_000),
        (units.parse_duration_s, "20 ms", 0.02),
        (units.parse_duration_s, "20ms", 0.02),
        (units.parse_duration_s, "0 s", 0.0),
        (units.parse_duration_s, "2 min", 120.0),
        (units.parse_duration_s, ".5 us", 5e-7),
        (units.parse_duration_s, "0.001 us", 1e-9),
        (units.parse_duration_s, "0.1000000010 s", 0.100000001),
        (units.parse_duration_s, "0.00000000005 min", 3e-9),
        (units.parse_share, "1 %", 0.01),
        (units.parse_share, "0.1%", 0.001),
        (units.parse_share, "100 %", 1.0),
    ],
)
def test_a_quantity_with_a_unit_is_exact(parse: Callable[[str], float], text: str, value: float) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (units.parse_rate_bps, "100", "'100' has no unit: a rate is written with one of bit/s, kbit/s, Mbit/s, Gbit/s"),
        (units.parse_rate_bps, "1 MB", "'MB' is not a unit of a rate: use one of bit/s, kbit/s, Mbit/s, Gbit/s"),
        (units.parse_rate_bps, "0 Mbit/s", "'0 Mbit/s': a rate must be above zero"),
        (units.parse_rate_bps, "-1 Mbit/s", "'-1 Mbit/s': a rate must be above zero"),
        (
            units.parse_rate_bps,
            "0.5 bit/s",
            "'0.5 bit/s' is not a whole number of bits per second, which a rate must be",
        ),
        (units.parse_size_bytes, "0 KB", "'0 KB': a size must be above zero"),
        (
            units.parse_size_bytes,
            "KB",
            "'KB' is not a size: write a number and a unit (B, KB, MB, GB, KiB, MiB, GiB)",
        ),
        (units.parse_duration_s, "-20 ms", "'-20 ms': a duration cannot be negative"),
        (
            units.parse_duration_s,
            "0.0015 us",
            "'0.0015 us' is not a whole number of nanoseconds, which a duration must be",
        ),
        (
            units.parse_duration_s,
            "0.0001 us",
            "'0.0001 us' is not a whole number of nanoseconds, which a duration must be",
        ),
        (units.parse_duration_s, "20 m", "'m' is not a unit of a duration: use one of us, ms, s, min"),
        (units.parse_duration_s, "", "'' is not a duration: write a number and a unit (us, ms, s, min)"),
        (units.parse_share, "150 %", "'150 %': a share lies between 0 % and 100 %"),
        (units.parse_share, "0.01", "'0.01' has no unit: a share is written with one of %"),
    ],
)
def test_a_quantity_that_cannot_be_is_refused(parse: Callable[[str], float], text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


# Formatting keeps four digits: what has no more comes back exactly.
four_digits = st.integers(1, 9999)
blanks = st.sampled_from(["", " ", "  "])


@given(four_digits, st.integers(0, 9))
def test_a_formatted_rate_reads_back(digits: int, zeros: int) -> None:
    assert units.parse_rate_bps(units.format_rate(digits * 10**zeros)) == digits * 10**zeros


@given(four_digits, st.integers(0, 9))
def test_a_formatted_size_reads_back(digits: int, zeros: int) -> None:
    assert units.parse_size_bytes(units.format_size(digits * 10**zeros)) == digits * 10**zeros


@given(st.integers(0, 999_999))
def test_a_formatted_duration_reads_back(milliseconds: int) -> None:
    assert units.parse_duration_s(units.format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 10**15))
def test_a_duration_of_whole_nanoseconds_is_read_and_written_as_it_is(nanoseconds: int) -> None:
    seconds = units.parse_duration_s(f"{nanoseconds // 1000}.{nanoseconds % 1000:03d} us")
    assert seconds == nanoseconds / 10**9
    assert units.parse_duration_s(units.DURATION.write(seconds)) == seconds


@given(st.integers(1, 10**12), blanks, st.sampled_from([("B", 1), ("KB", 1000), ("MiB", 2**20)]))
def test_any_number_of_blanks_may_stand_before_the_unit(number: int, blank: str, unit: tuple[str, int]) -> None:
    name, factor = unit
    assert units.parse_size_bytes(f"{number}{blank}{name}") == number * factor


@given(st.integers(0, 10**6))
def test_a_share_is_the_nearest_number_to_what_was_written(millionths: int) -> None:
    assert units.parse_share(f"{millionths / 10**4:.4f} %") == millionths / 10**6


@pytest.mark.parametrize(
    ("size_bytes", "text"), [(10_000, "10 KB"), (1_000_000, "1000 KB"), (10_000_000, "10000 KB"), (10**8, "100 MB")]
)
def test_object_sizes_are_written_as_in_the_paper(size_bytes: int, text: str) -> None:
    assert units.format_object_size(size_bytes) == text
