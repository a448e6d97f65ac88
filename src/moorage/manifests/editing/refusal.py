"""Why something is not edited."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - it is no error: nothing is wrong with the text
    """A text that is not edited, since it cannot be told for sure what the edit would do.

    Args:
        why: in words.
        line: where, from 0, in the text that was to be edited.
    """

    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.why = why
        self.line = line


def line_at(text: str, place: int) -> int:
    """Return the line of a character, from 0."""
    return text.count("\n", 0, place)
