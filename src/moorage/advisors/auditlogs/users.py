"""Who made a request, as far as its event tells."""

from __future__ import annotations

from typing import TypeVar

import msgspec

User = TypeVar("User")


def decode_user(text: bytes, decoder: msgspec.json.Decoder[User], nobody: User) -> User | None:
    """Return the user of an event; nothing where that is none.

    Args:
        text: the user as the event has it; empty where there is no such field.
        decoder: for the fields that are asked for.
        nobody: the user without any.
    """
    try:
        return decoder.decode(text) if text else nobody
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return decoder.decode(text.decode("utf-8", "replace"))
    except msgspec.DecodeError:
        return None
