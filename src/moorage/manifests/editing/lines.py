"""Lines of a text: where they begin and end, and taking them out or putting some in."""

from __future__ import annotations

from collections.abc import Sequence


def line_start(text: str, place: int) -> int:
    """Return where the line of a character begins."""
    return text.rfind("\n", 0, place) + 1


def line_end(text: str, place: int) -> int:
    """Return where the line of a character ends, before its line break."""
    found = text.find("\n", place)
    if found < 0:
        return len(text)
    return found - 1 if found > place and text[found - 1] == "\r" else found


def next_line(text: str, place: int) -> int:
    """Return where the line after that of a character begins."""
    found = text.find("\n", place)
    return len(text) if found < 0 else found + 1


def is_first(text: str, place: int) -> bool:
    """Say whether nothing but spaces is before a character in its line."""
    return not text[line_start(text, place) : place].strip(" \t")


def spliced(text: str, begin: int, end: int, new: str) -> str:
    """Return a text with a part of it replaced."""
    return text[:begin] + new + text[end:]


def without_lines(text: str, first: int, last: int) -> str:
    """Return a text without the lines from that of one character to that of another.

    Where the text does not end with a line break, it does not afterwards either.
    """
    begin, end = line_start(text, first), next_line(text, last)
    if end == len(text) and begin and not text.endswith("\n"):
        begin -= 2 if text[begin - 2 : begin] == "\r\n" else 1
    return spliced(text, begin, end, "")


def with_lines(text: str, place: int, lines: Sequence[str], eol: str) -> str:
    """Return a text with lines put after the line of a character."""
    begin = next_line(text, place)
    if begin == len(text) and text and not text.endswith("\n"):
        return text + "".join(f"{eol}{line}" for line in lines)
    return spliced(text, begin, begin, "".join(f"{line}{eol}" for line in lines))
