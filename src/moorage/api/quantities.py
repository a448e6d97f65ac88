"""Kubernetes quantities as exact numbers, and back."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

from moorage.errors import MoorageError

_DECIMAL: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal("1e3"),
    "M": Decimal("1e6"),
    "G": Decimal("1e9"),
    "T": Decimal("1e12"),
    "P": Decimal("1e15"),
    "E": Decimal("1e18"),
}
_BINARY: Final = {f"{letter}i": Decimal(1024**power) for power, letter in enumerate("KMGTPE", start=1)}
_SUFFIXES: Final = {**_DECIMAL, **_BINARY}

# The grammar of k8s.io/apimachinery/pkg/api/resource. The exponent is held to two digits: with more, no
# quantity of anything is meant.
_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i))?",
    re.ASCII,
)

_MILLI: Final = Decimal(1000)


class InvalidQuantityError(MoorageError):
    """A text that is not a quantity."""


def parse_quantity(text: str | int) -> Decimal:
    """Return the exact number that a quantity stands for.

    Raises:
        InvalidQuantityError: the text is not a quantity.
    """
    matched = _QUANTITY.fullmatch(str(text))
    if matched is None:
        raise InvalidQuantityError(
            f'"{text}" is not a quantity', hint="write for example 2, 500m (half a CPU) or 4Gi"
        )
    number = Decimal(matched["number"])
    if matched["exponent"] is not None:
        return number.scaleb(int(matched["exponent"]))
    return number * _SUFFIXES[matched["suffix"] or ""]


def parse_cpu(text: str | int) -> int:
    """Return a CPU quantity in millicores; a part of a millicore counts as a whole one, as in Kubernetes.

    Raises:
        InvalidQuantityError: the text is not a quantity.
    """
    return _ceiling(parse_quantity(text) * _MILLI)


def parse_memory(text: str | int) -> int:
    """Return a memory quantity in bytes; a part of a byte counts as a whole one, as in Kubernetes.

    Raises:
        InvalidQuantityError: the text is not a quantity.
    """
    return _ceiling(parse_quantity(text))


def format_cpu(millicores: int) -> str:
    """Write millicores as Kubernetes does: ``1500m``, ``2``."""
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def format_memory(memory_bytes: int) -> str:
    """Write bytes exactly, with the largest binary suffix that leaves no fraction: ``4Gi``, ``1536Mi``."""
    if memory_bytes:
        for suffix, factor in reversed(_BINARY.items()):
            whole, rest = divmod(memory_bytes, int(factor))
            if not rest:
                return f"{whole}{suffix}"
    return str(memory_bytes)


def _ceiling(number: Decimal) -> int:
    return int(number.to_integral_value(rounding=ROUND_CEILING))
