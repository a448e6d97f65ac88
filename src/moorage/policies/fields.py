"""Reading a document field by field; whatever is not as it should be says where and what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from moorage.policies.model import LibraryError, Place

_LABEL_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")


class Fields:
    """An object of a document, at its place.

    Args:
        content: the object.
        place: where its document was written.
        about: what it is about, for messages: ``policy host-ports``.
        path: of the object in its document.
    """

    def __init__(self, content: dict[str, Any], place: Place, *, about: str = "", path: str = "") -> None:
        self.content = content
        self._place = place
        self._about = about
        self._path = path

    def named(self, about: str) -> Fields:
        """Return the same, with what it is about."""
        return Fields(self.content, self._place, about=about, path=self._path)

    def error(self, problem: str) -> LibraryError:
        """Return an error that says what is wrong here."""
        about = f"{self._about}: " if self._about else ""
        return LibraryError(f"{self._place}: {about}{self._path}{'.' if self._path else ''}{problem}")

    def text(self, name: str, *, optional: bool = False) -> str:
        """Return a field that is text; an empty one where it may be absent."""
        found = self.content.get(name)
        if found is None and optional:
            return ""
        if not isinstance(found, str) or not (found.strip() or optional):
            raise self.error(f"{name} is {'missing' if found is None else 'not text, or empty'}")
        return found

    def label_name(self, name: str) -> str:
        """Return a field that can be the name of a label."""
        found = self.text(name)
        if not _LABEL_NAME.fullmatch(found):
            raise self.error(f"{name} is {found!r}: write lower case letters, digits and hyphens, at most 63")
        return found

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return a field that is one of some words."""
        found = self.text(name)
        if found not in choices:
            raise self.error(f"{name} is {found!r}; it is one of {', '.join(choices)}")
        return found

    def says(self, name: str, wanted: str) -> None:
        """Insist that a field says something."""
        found = self.content.get(name)
        if found != wanted:
            raise self.error(f"{name} is {found!r}; it should be {wanted!r}")

    def part(self, name: str, *, optional: bool = False) -> Fields:
        """Return a field that is an object; an empty one where it may be absent."""
        found = self.content.get(name)
        if found is None and optional:
            found = {}
        if not isinstance(found, dict):
            raise self.error(f"{name} is {'missing' if found is None else 'not an object'}")
        return self._below(found, name)

    def parts(self, name: str, *, optional: bool = False) -> list[Fields]:
        """Return a field that is a list of objects; an empty one where it may be absent."""
        found = self.content.get(name)
        if found is None and optional:
            return []
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.error(f"{name} is {'missing' if found is None else 'not a list of objects'}")
        return [self._below(item, f"{name}[{index}]") for index, item in enumerate(found)]

    def only(self, *names: str) -> None:
        """Insist that there are no other fields: a misspelt one would say nothing to anybody."""
        if unknown := sorted(set(map(str, self.content)) - set(names)):
            raise self.error(f"{unknown[0]} is not a field; there are {', '.join(names)}")

    def _below(self, content: dict[str, Any], name: str) -> Fields:
        path = f"{self._path}.{name}" if self._path else name
        return Fields(content, self._place, about=self._about, path=path)
