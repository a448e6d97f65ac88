"""Quantities are exact, and the same numbers that Kubernetes reads."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.quantities import (
    InvalidQuantityError,
    format_cpu,
    format_memory,
    parse_cpu,
    parse_memory,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("2", "2"),
        (2, "2"),
        ("+2", "2"),
        ("-1.5", "-1.5"),
        ("1.", "1"),
        (".5", "0.5"),
        ("500m", "0.5"),
        ("100n", "0.0000001"),
        ("3u", "0.000003"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("4Gi", "4294967296"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("12E-2", "0.12"),
        ("1E", "1000000000000000000"),
        ("1Ei", "1152921504606846976"),
    ],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text, number):
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "m", "1.2.3", "1 Gi", "1gi", "1KI", "1mi", "0x1", "1e", "٣", "1e999", "NaN"]
)
def test_what_is_not_a_quantity_is_refused(text):
    with pytest.raises(InvalidQuantityError, match="is not a quantity"):
        parse_quantity(text)


def test_a_part_of_the_smallest_unit_counts_as_a_whole_one():
    assert parse_cpu("1u") == 1
    assert parse_cpu("1500.1m") == 1501
    assert parse_memory("1m") == 1
    assert parse_memory("0.5Ki") == 512


@pytest.mark.parametrize(("millicores", "text"), [(0, "0"), (1, "1m"), (1500, "1500m"), (2000, "2")])
def test_cpu_is_written_as_kubernetes_writes_it(millicores, text):
    assert format_cpu(millicores) == text


@pytest.mark.parametrize(
    ("memory_bytes", "text"),
    [(0, "0"), (1, "1"), (1000, "1000"), (1024, "1Ki"), (1536 * 1024**2, "1536Mi"), (4 * 1024**3, "4Gi")],
)
def test_memory_is_written_with_the_largest_unit_that_fits(memory_bytes, text):
    assert format_memory(memory_bytes) == text


@given(st.integers(min_value=0, max_value=2**63))
def test_cpu_survives_being_written_and_read(millicores):
    assert parse_cpu(format_cpu(millicores)) == millicores


@given(st.integers(min_value=0, max_value=2**63))
def test_memory_survives_being_written_and_read(memory_bytes):
    assert parse_memory(format_memory(memory_bytes)) == memory_bytes


@given(
    st.decimals(min_value=0, max_value=10**6, places=3, allow_nan=False),
    st.sampled_from([("m", 10**-3), ("", 1), ("k", 10**3), ("Ki", 1024), ("Gi", 1024**3)]),
)
def test_a_suffix_multiplies(number, suffix):
    name, factor = suffix
    assert parse_quantity(f"{number}{name}") == number * Decimal(str(factor))
