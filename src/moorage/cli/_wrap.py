"""Lines for a person, as wide as the terminal is."""

from __future__ import annotations

import re
from typing import TextIO

_LABEL = re.compile(r"\s*(?:(?:error|hint): )?")
_COMMAND = re.compile(r"`[^`]+`")
_NO_BREAK = "\0"


def wrapped(text: str, stream: TextIO) -> str:
    """Return a text whose lines end at words where the terminal ends; as it is where there is no terminal.

    What goes on in the next line stands below what it belongs to, to the right of ``error:`` and ``hint:``.
    """
    if not stream.isatty():
        return text
    import shutil

    width = shutil.get_terminal_size().columns
    return "\n".join(_wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    import textwrap

    label = _LABEL.match(line)
    indent = label.end() if label else 0
    # A path, a name or a command that is longer than a line stays in one piece: it is there to be copied.
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", _NO_BREAK), line)
    return textwrap.fill(
        whole, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ).replace(_NO_BREAK, " ")
