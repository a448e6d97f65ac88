"""Helm charts: which value leads to a field is found out by trying, for templates can do anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from moorage.advisors.sources.model import (
    Candidate,
    DoesNotBuildError,
    Made,
    No,
    Objects,
    Place,
    Step,
    Texts,
)
from moorage.advisors.sources.probing import Hit, could_lead_to, hits, leaf_for, marked, marked_inside
from moorage.advisors.sources.shape import nested
from moorage.advisors.sources.subcharts import VALUES, is_inside, values_of
from moorage.advisors.sources.templates import literals
from moorage.advisors.sources.text import changed, documents_in, edited_at, keyed, shown, value_of, where
from moorage.advisors.sources.workspace import Workspace
from moorage.errors import MoorageError
from moorage.manifests.documents import BrokenManifestError, documents
from moorage.manifests.editing.operations import (
    ABSENT,
    Insert,
    Operation,
    Path_,
    Remove,
    Set,
    at,
    same,
    written,
)
from moorage.manifests.editing.refusal import Refused
from moorage.manifests.model import InputError
from moorage.manifests.reading import unroll
from moorage.manifests.rendering import ChartOptions, Release, render_chart

_SOURCE: Final = re.compile(r"^# Source: [^/\s]+/(?P<inside>\S+)$", re.MULTILINE)


class Chart:
    """A chart in a folder, installed in one way.

    Args:
        folder: of the chart.
        release: how it is installed.
        namespace: where.
        workspace: in which changes are tried out.
    """

    def __init__(self, folder: Path, release: Release, namespace: str, workspace: Workspace) -> None:
        self._folder = folder
        self._release = release
        self._namespace = namespace
        self._workspace = workspace
        self._texts = workspace.texts({".yaml", ".yml", ".tpl", ".json"})
        self._subcharts = values_of(folder, self._texts)
        self._made: dict[tuple[Any, ...], Objects] = {}

    @classmethod
    def at(cls, folder: Path, release: Release, namespace: str, stack: ExitStack) -> Chart:
        """Return the chart in a folder.

        Raises:
            MoorageError: it is packed, or cannot be read.
        """
        if not folder.is_dir():
            raise MoorageError(f"{folder} is a packed chart", hint="name the folder that it is made from")
        root = folder.resolve()
        for file in release.values:
            if not file.is_file():
                raise MoorageError(f"{file}: there is no such file of values")
        inside = (file for file in root.rglob("*") if file.is_file() and ".git" not in file.parts)
        files = {*inside, *(file.resolve() for file in release.values)}
        resolved = Release(release.name, tuple(file.resolve() for file in release.values))
        return cls(root, resolved, namespace, Workspace(files, stack))

    @property
    def shown(self) -> str:
        """How a person calls it."""
        return f"the chart {shown(self._folder)}"

    @property
    def texts(self) -> Mapping[Path, str]:
        """What its files say."""
        return self._texts

    @property
    def origins(self) -> Sequence[str]:
        """All that it makes may be changed."""
        return ("",)

    def make(self, texts: Texts) -> Objects:
        """Return what the chart makes.

        Raises:
            DoesNotBuildError: it does not render.
        """
        key = tuple(sorted((file, text or "") for file, text in texts.items()))
        if key not in self._made:
            self._workspace.change(texts)
            self._made[key] = self._build()
        return self._made[key]

    def _build(self) -> Objects:
        folder = self._workspace.at(self._folder)
        values = tuple(self._workspace.at(file) for file in self._release.values)
        try:
            text = render_chart(
                folder, Release(self._release.name, values), ChartOptions(), namespace=self._namespace
            )
        except InputError as error:
            said = error.message.replace(str(folder), shown(self._folder))
            raise DoesNotBuildError(" ".join(said.split())) from error
        made: list[Made] = []
        for document in documents(text):
            if isinstance(document, BrokenManifestError):
                raise DoesNotBuildError(f"{self.shown}: {document.problem}")
            match = _SOURCE.search(text, document.begin, document.end)
            template = self._folder / match["inside"] if match else None
            made += [
                Made(content, template=template)
                for content, _ in unroll(document.value)
                if isinstance(content, dict)
            ]
        keys = keyed("", [each.content for each in made])
        return {key: each for (key, _), each in zip(keys, made, strict=True)}

    def candidates(self, texts: Texts, objects: Objects, step: Step) -> Iterator[Candidate | No]:
        """Yield the values that lead to a field, then what its template says itself."""
        if step.operation is None:
            yield from self._whole(texts, objects, step)
            return
        if isinstance(step.operation, Set):
            yield from self._by_scalar(texts, objects, step, step.operation)
        yield from self._by_equal(texts, objects, step, step.operation)
        yield from self._by_collection(texts, step, step.operation)
        yield from self._by_template(texts, objects, step, step.operation)

    # Values.

    def _value_files(self) -> list[Path]:
        """Return the files with values, those that win first."""
        own = self._folder / VALUES
        return [*reversed(self._release.values), *([own] if own in self._texts else []), *self._subcharts]

    def _values(self, texts: Texts) -> Iterator[tuple[Place, Any]]:
        """Yield all values in the files, with what holds others."""
        for file in self._value_files():
            for number, document in enumerate(documents_in(changed(self._texts, texts, file) or "")):
                yield from _all(document.value, Place(file, number))

    def _by_scalar(
        self, texts: Texts, objects: Objects, step: Step, operation: Set
    ) -> Iterator[Candidate | No]:
        field = at(objects[step.key].content, operation.path)
        if field is ABSENT or isinstance(field, dict | list):
            return
        values = [
            (place, value) for place, value in self._values(texts) if not isinstance(value, dict | list)
        ]
        likely = [each for each in values if could_lead_to(each[1], field)]
        others = [each for each in values if not could_lead_to(each[1], field)]
        for some in (likely, others):
            probes = [probe for n, (place, value) in enumerate(some) if (probe := marked(place, value, n))]
            for hit in _best_first(hits(probes, self.make, self._texts, texts, key=step.key)):
                if hit.path == operation.path:
                    yield self._with_leaf(texts, hit, operation.value)
            for place, value in some:
                if isinstance(value, bool) and isinstance(operation.value, bool):
                    yield self._edit(texts, place, Set((), operation.value))

    def _with_leaf(self, texts: Texts, hit: Hit, wanted: Any) -> Candidate | No:
        text = changed(self._texts, texts, hit.place.file) or ""
        leaf = leaf_for(hit, value_of(text, hit.place), wanted)
        if leaf is ABSENT:
            return No(f"{where(text, hit.place)}: the value is a part of the field only")
        return self._edit(texts, hit.place, Set((), leaf))

    def _by_equal(
        self, texts: Texts, objects: Objects, step: Step, operation: Operation
    ) -> Iterator[Candidate | No]:
        """Yield the mappings and lists in the values that say just what one around the field says."""
        content = objects[step.key].content
        for length in range(len(operation.path) - 1, -1, -1):
            around = at(content, operation.path[:length])
            if not isinstance(around, dict | list) or not around:
                continue
            for place, value in self._values(texts):
                if isinstance(value, dict | list) and same(value, around):
                    yield self._edit(texts, place, _rest(operation, length))

    def _by_collection(self, texts: Texts, step: Step, operation: Operation) -> Iterator[Candidate | No]:
        """Yield the mappings in the values that lead to one around the field: a new key is looked for."""
        values = list(self._values(texts))
        probes = [
            probe for n, (place, value) in enumerate(values) if (probe := marked_inside(place, value, n))
        ]
        for hit in sorted(
            hits(probes, self.make, self._texts, texts, key=step.key), key=lambda each: -len(each.path)
        ):
            if hit.path != operation.path[: len(hit.path)]:
                continue
            rest = _rest(operation, len(hit.path))
            value = value_of(changed(self._texts, texts, hit.place.file) or "", hit.place)
            found = _nested_in(value, rest)
            if found is not None:
                yield self._edit(texts, hit.place, found)

    def _edit(self, texts: Texts, place: Place, operation: Operation) -> Candidate | No:
        if place.file in self._subcharts:
            return self._override(texts, place, operation)
        text = changed(self._texts, texts, place.file) or ""
        spot = where(text, place, operation.path)
        try:
            return Candidate({place.file: edited_at(text, place, [operation])}, spot)
        except Refused as refused:
            return No(f"{spot}: {refused.why}")

    def _override(self, texts: Texts, place: Place, operation: Operation) -> Candidate | No:
        """Say a value of a chart in the chart where it is given to it: its own files are somebody else's."""
        name = self._subcharts[place.file]
        own = Place(self._folder / VALUES)
        text = changed(self._texts, texts, own.file)
        value = value_of(text, own) if text else ABSENT
        path = (name, *place.path, *operation.path)
        given = _nested_in(value, Set(path, operation.value)) if isinstance(operation, Set) else None
        if given is None or not isinstance(value, dict):
            spot = where(changed(self._texts, texts, place.file) or "", place, operation.path)
            return No(f"{spot} is a value of another chart, and cannot be given to it as {written(path)}")
        return self._edit(texts, own, given)

    # Templates.

    def _by_template(
        self, texts: Texts, objects: Objects, step: Step, operation: Operation
    ) -> Iterator[Candidate | No]:
        template = objects[step.key].template
        if template is None:
            return
        text = (
            changed(self._texts, texts, template) or ""
        )  # of a chart that has another name here there is none
        field = at(objects[step.key].content, operation.path)
        theirs = is_inside(self._folder, template)
        if isinstance(operation, Set) and isinstance(operation.path[-1], str) and not theirs:
            for literal in literals(text, operation.path[-1], field, operation.value):
                yield Candidate({template: literal.text}, f"{shown(template)}:{literal.line}")
        what = "is written in" if field is not ABSENT else "would have to be written in"
        how = "which is a part of another chart" if theirs else "by hand"
        yield No(f"no value of the chart leads to it; it {what} the template {shown(template)}, {how}")

    def _whole(self, texts: Texts, objects: Objects, step: Step) -> Iterator[Candidate | No]:
        """Yield the switches in the values, of which one may take an object away."""
        template = objects[step.key].template
        if step.content is not None:
            yield No("a template for it has to be written by hand")
            return
        for place, value in self._values(texts):
            if value is True:
                yield self._edit(texts, place, Set((), value=False))
        made = f" {shown(template)}" if template else ""
        yield No(f"no value of the chart takes it away alone; its template{made} has to be changed by hand")


def _all(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    yield place, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield from _all(each, Place(place.file, place.number, (*place.path, step)))


def _best_first(found: Iterator[Hit]) -> list[Hit]:
    """Put values that are all of a field before those that are a part of it."""
    return sorted(found, key=lambda hit: len(hit.before) + len(hit.after))


def _rest(operation: Operation, length: int) -> Operation:
    """Return the same operation on what is at the beginning of its path."""
    path = operation.path[length:]
    match operation:
        case Set(_, value):
            return Set(path, value)
        case Insert(_, value):
            return Insert(path, value)
        case Remove():
            return Remove(path)


def _nested_in(value: Any, operation: Operation) -> Operation | None:
    """Return an operation as it is done where a part of what leads to its place may not be there."""
    path: Path_ = operation.path
    if not isinstance(operation, Set):
        return operation if at(value, path[:-1]) is not ABSENT and path else None
    if not path:
        return operation
    known = 0
    while known < len(path) - 1 and at(value, path[: known + 1]) not in (ABSENT, None):
        known += 1
    inner = nested(path[known + 1 :], operation.value)
    if inner is ABSENT or not isinstance(path[known], str):
        return None
    if value is None and not known:
        whole = nested(path, operation.value)
        return None if whole is ABSENT else Set((), whole)
    return Set(path[: known + 1], inner)
