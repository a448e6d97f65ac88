"""Manifests: files, folders, kustomizations, charts and standard input.

Most of what a folder holds is written in versions that stay. What cannot name one that goes is not parsed: a
version that goes stands in the text of whoever names it, letter for letter, unless the text has escapes that
can write letters in other ways, or base64. That is looked for in the text, which is many times as fast as
reading it. A file of a folder that is left alone because of that may be broken: nothing in it can be a
version that goes. A file that was named is read, and said to be broken when it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from moorage.advisors.advice import Location
from moorage.advisors.apis.model import How, Seen, Sighting
from moorage.advisors.apis.objects import dotted, named, own, registrations
from moorage.advisors.apis.table import Table
from moorage.cache import Cache
from moorage.manifests.model import Item, title_of
from moorage.manifests.parsed import Parsed
from moorage.manifests.reading import AS_THEY_ARE, DEFAULT_NAMESPACE, Reading
from moorage.manifests.rendering import ChartOptions

_ESCAPE: Final = re.compile(r"\\[xuU/\n]")
"""Lets a text say a letter that is not in it, or joins two lines."""

_TAG: Final = re.compile(r"!binary|![^\s,\[\]{}]*%")
"""Lets a text say something in base64; a tag may itself be escaped."""

_BASE64: Final = (":binary", "%TAG")
_ADMISSION: Final = ("WebhookConfiguration", "AdmissionPolicy")
_API_VERSION: Final = re.compile(r"^[\"']?apiVersion[\"']?[ \t]*:", re.MULTILINE)


class Sieve:
    """Tells texts that may name a version that goes from those that cannot.

    Args:
        table: what is known.
    """

    def __init__(self, table: Table) -> None:
        self._going = table.going
        self._hints = _hints({api.name.api_version for api in table if api.goes})
        self.passed = 0
        self.left = 0

    def __call__(self, text: str) -> bool:
        """Say whether a text has to be read."""
        found = self._may_matter(text)
        self.passed += found
        self.left += not found
        return found

    def _may_matter(self, text: str) -> bool:
        # Looking for a word is ten times as fast as looking for a pattern.
        return bool(
            (any(hint in text for hint in self._hints) and self._going.search(text))
            or any(word in text for word in _ADMISSION)
            or ("\\" in text and _ESCAPE.search(text))
            or ("!" in text and _TAG.search(text))
            or any(word in text for word in _BASE64)
        )


def _hints(versions: set[str]) -> tuple[str, ...]:
    """Return few words, of which each version has one in it."""
    stages = tuple(stage for stage in ("alpha", "beta") if any(stage in version for version in versions))
    return (*stages, *sorted(each for each in versions if not any(stage in each for stage in stages)))


def read_files(
    paths: Sequence[str],
    table: Table,
    *,
    cache: Cache | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    charts: ChartOptions = AS_THEY_ARE,
) -> Seen:
    """Read manifests, and return where they use versions that go.

    Args:
        paths: files, folders, kustomizations, charts, or ``-``.
        table: what is known.
        cache: remembers what files were parsed to.
        namespace: where charts are installed.
        charts: how they are rendered.
    """
    sieve, parsed = Sieve(table), Parsed(cache)
    reading = Reading(parsed, namespace=namespace, charts=charts, worth=sieve)
    items = reading.items(paths)
    sightings = [sighting for item in items for sighting in look(item, table)]
    parsed.close()
    return Seen(
        tuple(sightings),
        {"manifests": sieve.passed + sieve.left, "withoutAnyThatGoes": sieve.left},
        tuple(reading.notes()),
        tuple(problem.error.message for problem in reading.problems),
    )


def look(item: Item, table: Table) -> Iterator[Sighting]:
    """Yield the versions that go in an object that was read."""
    content, thing = item.content, title_of(item.content)
    api = own(content, table)
    if api is not None:
        place = _place(item, "apiVersion")
        yield Sighting(
            api, How.WRITTEN, thing, _location(thing, place), parts=(place[0],), content=content,
        )  # fmt: skip
    for path, other in named(content, table):
        field = dotted((*path, "apiVersion"))
        place = _place(item, field)
        yield Sighting(
            other,
            How.NAMED,
            thing,
            _location(thing, place),
            parts=(place[0], field),
            content=content,
            field=field,
            path=path,
        )
    for rule in registrations(content, table):
        field = dotted(rule.path)
        place = _place(item, field)
        for each in rule.apis:
            yield Sighting(
                each,
                How.MATCHED,
                thing,
                _location(thing, place),
                who=rule.webhook,
                parts=(place[0], rule.webhook, field),
                evidence={"matchPolicy": "Exact" if rule.exact else "Equivalent"},
                content=content,
                field=field,
                path=rule.path,
            )


def _place(item: Item, field: str) -> tuple[str, int | None]:
    if not item.path and not item.manifest.rendered and field == "apiVersion":
        # At the beginning of a line is only a key of the object itself: everything else is indented.
        match = _API_VERSION.search(item.manifest.text, item.begin, item.end)
        if match:
            return item.manifest.shown, item.manifest.line_at(match.start()) + 1
    from moorage.manifests.places import field_where, where  # few findings need what this loads

    found = field_where(item, field) or where(item)
    return found.file, found.line


def _location(thing: str, place: tuple[str, int | None]) -> Location:
    return Location(thing, place[0], place[1])
