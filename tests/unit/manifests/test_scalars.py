"""What plain scalars mean; `tests/integration/policies/test_yaml.py` asks kubectl itself."""

from __future__ import annotations

import math

import pytest

from moorage.manifests.scalars import ScalarError, as_json, as_key, resolve


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        *((word, True) for word in ("y", "Y", "yes", "YES", "on", "On", "true", "TRUE")),
        *((word, False) for word in ("n", "N", "no", "NO", "off", "Off", "false", "False")),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        ("yEs", "yEs"),
        ("tRue", "tRue"),
        ("0", 0),
        ("-0", 0),
        ("017", 15),
        ("08", 8.0),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0x1f", -31),
        ("0b101", 5),
        ("1_000", 1000),
        ("_1", "_1"),
        ("+1", 1),
        ("9223372036854775807", 9223372036854775807),
        ("18446744073709551615", 18446744073709551615),
        ("-9223372036854775809", -9223372036854775809.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e400", "1e400"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("100m", "100m"),
        ("1Gi", "1Gi"),
        ("0x", "0x"),
        (".", "."),
        ("-", "-"),
        ("--", "--"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("web", "web"),
    ],
)
def test_a_plain_scalar_means_what_kubernetes_takes_it_for(text, meaning):
    found = resolve(text)
    assert found == meaning
    assert type(found) is type(meaning)


def test_a_float_without_a_fraction_is_read_back_as_an_integer():
    assert as_json(1000.0) == 1000
    assert type(as_json(1000.0)) is int
    assert type(as_json(1e21)) is float
    assert as_json(123456789012345678901.0) == 123456789012345680000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(ScalarError):
        as_json(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (-5, "-5"),
        (1.5, "1.5"),
        (1e30, "1e+30"),
        (0.00001, "1e-05"),
        (123456789.123, "1.2345679e+08"),
        (-0.0, "-0"),
        (0.001, "0.001"),
        (1e39, "+Inf"),
    ],
)
def test_a_key_becomes_text_as_go_writes_it(key, text):
    assert as_key(key) == text


@pytest.mark.parametrize("key", [None, 1 << 63])
def test_what_cannot_be_a_key_is_refused(key):
    with pytest.raises(ScalarError):
        as_key(key)
