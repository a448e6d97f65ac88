"""Manifests that are what they make: each object is in one place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from moorage.advisors.sources.model import (
    Candidate,
    DoesNotBuildError,
    Key,
    Made,
    No,
    Objects,
    Place,
    Step,
    Texts,
)
from moorage.advisors.sources.text import changed, documents_in, keyed, shown, where
from moorage.manifests.editing.editing import documents_of, edited, with_object, without
from moorage.manifests.editing.operations import Path_
from moorage.manifests.editing.refusal import Refused
from moorage.manifests.reading import unroll

_KEPT: Final = 4096


class PlainFiles:
    """Files with manifests in them.

    Args:
        texts: what they say.
    """

    def __init__(self, texts: Mapping[Path, str]) -> None:
        self._texts = dict(texts)

    @property
    def shown(self) -> str:
        """How a person calls it."""
        return "the manifests"

    @property
    def texts(self) -> Mapping[Path, str]:
        """What its files say."""
        return self._texts

    @property
    def origins(self) -> Sequence[str]:
        """The files: all objects may be changed."""
        return [shown(file) for file in self._texts]

    def narrowed(self, files: Iterable[Path]) -> PlainFiles:
        """Return some of the files alone: what is in the others does not depend on them."""
        return PlainFiles({file: self._texts[file] for file in files})

    def make(self, texts: Texts) -> Objects:
        """Return the objects in the files.

        Raises:
            DoesNotBuildError: a file that was changed cannot be read any more.
        """
        found: dict[Key, Made] = {}
        for file in self._texts:
            text = changed(self._texts, texts, file)
            if not text:
                continue
            if file in texts:
                try:
                    documents_of(text)
                except Refused as refused:
                    raise DoesNotBuildError(f"{file}: {refused.why}") from refused
            made = [Made(content, Place(file, number, path)) for content, number, path in _objects(text)]
            keys = keyed(shown(file), [each.content for each in made])
            found |= {key: each for (key, _), each in zip(keys, made, strict=True)}
        return found

    def candidates(self, texts: Texts, objects: Objects, step: Step) -> Iterator[Candidate | No]:
        """Yield the one way there is."""
        place = objects[step.key].place
        assert place is not None  # noqa: S101 - that is what plain files are
        text = changed(self._texts, texts, place.file) or ""
        try:
            yield Candidate({place.file: _done(text, place, step) or None}, where(text, place, path_of(step)))
        except Refused as refused:
            yield No(f"{where(text, place, path_of(step))}: {refused.why}")


def path_of(step: Step) -> Path_:
    """Return what a step is about in its object."""
    return step.operation.path if step.operation else ()


def _done(text: str, place: Place, step: Step) -> str:
    if step.content is not None:
        return with_object(text, place.number, place.path, dict(step.content))
    if step.operation is None:
        return without(text, place.number, place.path)
    return edited(text, place.number, place.path, [step.operation])


@lru_cache(maxsize=_KEPT)
def _objects(text: str) -> tuple[tuple[dict[str, Any], int, Path_], ...]:
    return tuple(
        (content, number, path)
        for number, document in enumerate(documents_in(text))
        for content, path in unroll(document.value)
        if isinstance(content, dict) and content.get("kind")
    )
