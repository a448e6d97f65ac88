"""Text in a Markdown comment on a pull request."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 60_000
"""GitHub refuses comments of more than 65,536 characters."""

_ACTIVE: Final = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_MENTION: Final = re.compile(r"(?<!\w)@(?=\w)")


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line: names must not become markup."""
    quiet = _MENTION.sub("@\u200b", " ".join(text.split()))  # nobody is called to a pull request by a message
    return _ACTIVE.sub(r"\\\1", quiet)


def code(text: str) -> str:
    """Return a text as it stands between backquotes in a table."""
    return text.replace("`", "'").replace("|", "\\|")
