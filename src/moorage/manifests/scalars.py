"""What a plain YAML scalar means to Kubernetes: the rules of Go's yaml.v2 and of encoding/json after it.

These are neither YAML 1.1 nor 1.2: ``yes`` is true and ``017`` is fifteen, but ``1:30`` and dates are text.
"""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal
from typing import Any, Final

_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMBER_STARTS: Final = frozenset("+-0123456789")
_INTEGER: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO](?P<oct>[0-7]+)"
    r"|0(?P<old>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_BASES: Final = {"hex": 16, "bin": 2, "oct": 8, "old": 8, "dec": 10}
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOT_FLOAT: Final = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+)?")
_SMALLEST, _LARGEST, _LARGEST_UNSIGNED = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
_LARGEST_PLAIN_FLOAT: Final = 1e21
"""From here on Go writes a float with an exponent, and no reader takes it for an integer."""


class ScalarError(ValueError):
    """A scalar that has no meaning in JSON."""


def resolve(text: str) -> Any:
    """Return what a plain scalar means."""
    first = text[:1]
    if text in _WORDS:
        return _WORDS[text]
    if first == ".":
        return float(text) if _DOT_FLOAT.fullmatch(text) else text
    return _number(text) if first and first in _NUMBER_STARTS else text


def _number(text: str) -> Any:
    """Return the number that a text is; the text, where it is none or too large for one."""
    plain = text.replace("_", "")
    if match := _INTEGER.fullmatch(plain):
        kind = str(match.lastgroup)
        value = int(match[kind], _BASES[kind]) * (-1 if match["sign"] == "-" else 1)
        if _SMALLEST <= value <= (_LARGEST if match["sign"] else _LARGEST_UNSIGNED):
            return value
    if _FLOAT.fullmatch(plain):
        fraction = float(plain)
        return text if math.isinf(fraction) else fraction
    return text


def as_json(value: Any) -> Any:
    """Return what encoding/json makes of a value: a float without a fraction is read back as an integer.

    Raises:
        ScalarError: JSON cannot say it.
    """
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise ScalarError("JSON knows neither infinity nor NaN")
    if value.is_integer() and abs(value) < _LARGEST_PLAIN_FLOAT:
        return int(Decimal(repr(value)))  # the digits that Go prints, and not those of the binary value
    return value


def as_key(value: Any) -> str:
    """Return the text that a key of a mapping becomes.

    Raises:
        ScalarError: it cannot be a key in JSON.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() if _SMALLEST <= value <= _LARGEST:
            return str(value)
        case float():
            return _float_key(value)
        case None:
            raise ScalarError("a key is null")
        case _:
            raise ScalarError(f"{value} cannot be a key")


def _float_key(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return _shortest_single(value)


def _shortest_single(value: float) -> str:
    """Format as Go's ``FormatFloat(value, 'g', -1, 32)``: the shortest digits of the nearest single."""
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = math.copysign(math.inf, value)
    if math.isinf(single):
        return "+Inf" if single > 0 else "-Inf"
    digits = next(text for size in range(1, 18) if _is_single(text := f"{single:.{size - 1}e}", single))
    mantissa, _, exponent_text = digits.partition("e")
    exponent = int(exponent_text)
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    figures = mantissa.replace(".", "").rstrip("0") or "0"
    if exponent < -4 or exponent >= _EXPONENT_FROM:  # noqa: PLR2004 - Go's %g
        fraction = f".{figures[1:]}" if len(figures) > 1 else ""
        return f"{sign}{figures[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{figures}"
    whole = figures[: exponent + 1].ljust(exponent + 1, "0")
    rest = figures[exponent + 1 :]
    return f"{sign}{whole}{f'.{rest}' if rest else ''}"


_EXPONENT_FROM: Final = 6


def _is_single(text: str, single: float) -> bool:
    return bool(struct.unpack("f", struct.pack("f", float(text)))[0] == single)
