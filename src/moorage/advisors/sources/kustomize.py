"""Kustomizations: objects are made of several files, of which the last that says something wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from moorage.advisors.sources.closure import closure_of, neighbours_of
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
from moorage.advisors.sources.probing import Probe, could_lead_to, hits, leaf_for, marked
from moorage.advisors.sources.shape import Layered, translated
from moorage.advisors.sources.text import changed, documents_in, edited_at, keyed, shown, value_of, where
from moorage.advisors.sources.workspace import Workspace
from moorage.manifests.discover import KUSTOMIZATIONS, SUFFIXES
from moorage.manifests.documents import BrokenManifestError, documents
from moorage.manifests.editing.editing import with_object, without
from moorage.manifests.editing.operations import ABSENT, NAMES, Remove, Set, at, leaves
from moorage.manifests.editing.refusal import Refused
from moorage.manifests.model import InputError
from moorage.manifests.reading import unroll
from moorage.manifests.rendering import render_kustomization

_PROBE: Final = "probe.moorage.dev/"


class Kustomizations:
    """Kustomizations that are made of the same files, or one that shares none.

    Args:
        folders: those that a person asked for.
        others: those that are made of the same files, and have to stay as they are.
        files: of each one, all that it is made of.
        stack: to it belongs the folder in which changes are tried out.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        others: Sequence[Path],
        files: Mapping[Path, frozenset[Path]],
        stack: ExitStack,
    ) -> None:
        self._folders = list(folders)
        self._all = [*folders, *others]
        self._files = files
        self._workspace = Workspace({file for folder in self._all for file in files[folder]}, stack)
        self._texts = self._workspace.texts(SUFFIXES, KUSTOMIZATIONS)
        self._made: dict[tuple[Any, ...], dict[Any, Made]] = {}

    @classmethod
    def at(cls, folders: Sequence[Path], stack: ExitStack) -> list[Kustomizations]:
        """Return the kustomizations in some folders, those together that share files."""
        files = {folder.resolve(): closure_of(folder.resolve()) for folder in folders}
        groups: list[list[Path]] = []
        for folder, closure in files.items():
            shared = [group for group in groups if any(closure & files[other] for other in group)]
            groups = [group for group in groups if group not in shared]
            groups.append([*(each for group in shared for each in group), folder])
        found = []
        for group in groups:
            own = frozenset().union(*(files[folder] for folder in group))
            others = {path: closure for path, closure in neighbours_of(own).items() if path not in files}
            found.append(cls(group, list(others), {**files, **others}, stack))
        return found

    @property
    def shown(self) -> str:
        """How a person calls it."""
        return ", ".join(shown(folder) for folder in self._folders)

    @property
    def texts(self) -> Mapping[Path, str]:
        """What its files say."""
        return self._texts

    @property
    def origins(self) -> Sequence[str]:
        """What the kustomizations that were asked for make."""
        return [shown(folder) for folder in self._folders]

    def make(self, texts: Texts) -> Objects:
        """Return what all of the kustomizations make; those that do not build before are left out.

        Raises:
            DoesNotBuildError: one of them does not build.
        """
        found: dict[Any, Made] = {}
        for folder in self._all:
            mine = tuple(
                sorted((file, text or "") for file, text in texts.items() if file in self._files[folder])
            )
            if (folder, mine) not in self._made:
                self._workspace.change(texts)
                try:
                    self._made[folder, mine] = self._build(folder)
                except DoesNotBuildError:
                    if mine or folder in self._folders:
                        raise
                    self._made[folder, mine] = {}
            found |= self._made[folder, mine]
        return found

    def _build(self, folder: Path) -> dict[Any, Made]:
        try:
            text = render_kustomization(self._workspace.at(folder))
        except InputError as error:
            said = error.message.replace(str(self._workspace.at(folder)), shown(folder))
            raise DoesNotBuildError(" ".join(said.split())) from error
        contents = []
        for document in documents(text):
            if isinstance(document, BrokenManifestError):
                raise DoesNotBuildError(f"{shown(folder)}: {document.problem}")
            contents += [content for content, _ in unroll(document.value) if isinstance(content, dict)]
        return {key: Made(content) for key, content in keyed(shown(folder), contents)}

    def candidates(self, texts: Texts, objects: Objects, step: Step) -> Iterator[Candidate | No]:
        """Yield the documents that the object is made of, patches first; then what a trial finds out."""
        layers = self._layers(texts, step)
        if step.operation is None:
            yield from self._whole(texts, layers, step)
            return
        yield from self._in_layers(texts, objects, step, layers)
        if isinstance(step.operation, Set):
            yield from self._tried(texts, objects, step)

    # What an object is made of.

    def _layers(self, texts: Texts, step: Step) -> list[Layered]:
        """Return the documents that an object is made of: each is given an annotation that is looked for."""
        places = list(self._documents(texts))
        tried = [self._annotated(texts, place, f"{_PROBE}p{number}") for number, place in enumerate(places)]
        probes = [probe for probe in tried if probe is not None]
        found: list[Layered] = []
        for hit in hits(probes, self.make, self._texts, texts, key=step.key):
            if hit.path == ("metadata", "annotations"):
                patch = hit.place.inner is not None or not self._is_resource(texts, hit.place.file)
                content = value_of(changed(self._texts, texts, hit.place.file) or "", hit.place)
                found.append(Layered(hit.place, content, patch))
        return sorted(found, key=lambda layer: (not layer.patch, -places.index(layer.place)))

    def _annotated(self, texts: Texts, place: Place, mark: str) -> Probe | None:
        content = value_of(changed(self._texts, texts, place.file) or "", place)
        metadata = content.get("metadata")
        if not isinstance(metadata, dict):
            return None
        if isinstance(metadata.get("annotations"), dict) and metadata["annotations"]:
            return Probe(place, Set(("metadata", "annotations", mark), "x"), mark)
        return Probe(place, Set(("metadata", "annotations"), {mark: "x"}), mark)

    def _documents(self, texts: Texts) -> Iterator[Place]:
        """Yield the objects in all files, also those in patches that are texts."""
        for file in self._texts:
            text = changed(self._texts, texts, file) or ""
            for number, document in enumerate(documents_in(text)):
                for content, path in unroll(document.value):
                    if _is_object(content) and file.name not in KUSTOMIZATIONS:
                        yield Place(file, number, path)
                    elif file.name in KUSTOMIZATIONS:
                        yield from self._inline(file, number, content)

    def _inline(self, file: Path, number: int, content: Any) -> Iterator[Place]:
        for path, value in leaves(content):
            if isinstance(value, str) and "\n" in value:
                for inner, document in enumerate(documents_in(value)):
                    if _is_object(document.value):
                        yield Place(file, number, path, inner=(inner, ()))

    def _is_resource(self, texts: Texts, file: Path) -> bool:
        return any(True for _ in self._entries(texts, file))

    def _entries(self, texts: Texts, file: Path) -> Iterator[Place]:
        """Yield where a file is named as a resource."""
        for kustomization in self._texts:
            if kustomization.name not in KUSTOMIZATIONS:
                continue
            for number, document in enumerate(documents_in(changed(self._texts, texts, kustomization) or "")):
                names = at(document.value, ("resources",))
                for index, name in enumerate(names if isinstance(names, list) else ()):
                    if isinstance(name, str) and (kustomization.parent / name).resolve() == file:
                        yield Place(kustomization, number, ("resources", index))

    # The ways.

    def _in_layers(
        self, texts: Texts, objects: Objects, step: Step, layers: Sequence[Layered]
    ) -> Iterator[Candidate | No]:
        operation = step.operation
        assert operation is not None  # noqa: S101 - the caller knows
        for exact in (True, False):
            ordered = layers if exact else sorted(layers, key=lambda layer: layer.patch)
            for layer in ordered:
                found = translated(operation, objects[step.key].content, layer.content, exact=exact)
                if found is None:
                    continue
                text = changed(self._texts, texts, layer.place.file) or ""
                spot = where(text, layer.place, found.path)
                try:
                    yield Candidate({layer.place.file: edited_at(text, layer.place, [found])}, spot)
                except Refused as refused:
                    yield No(f"{spot}: {refused.why}")

    def _tried(self, texts: Texts, objects: Objects, step: Step) -> Iterator[Candidate | No]:
        """Yield the scalars anywhere that lead to the field: what a patch by paths sets, images, replicas."""
        operation = step.operation
        assert operation is not None  # noqa: S101 - the caller knows
        field = at(objects[step.key].content, operation.path)
        if field is ABSENT or isinstance(field, dict | list):
            return
        probes: list[Probe] = []
        for place, leaf in self._leaves(texts):
            if could_lead_to(leaf, field) and (probe := marked(place, leaf, len(probes))) is not None:
                probes.append(probe)
        for hit in hits(probes, self.make, self._texts, texts, key=step.key):
            if hit.path != operation.path:
                continue
            text = changed(self._texts, texts, hit.place.file) or ""
            leaf = leaf_for(hit, value_of(text, hit.place), operation.value)  # type: ignore[union-attr]
            spot = where(text, hit.place)
            if leaf is ABSENT:
                yield No(f"{spot}: the value is a part of the field only")
                continue
            try:
                yield Candidate({hit.place.file: edited_at(text, hit.place, [Set((), leaf)])}, spot)
            except Refused as refused:
                yield No(f"{spot}: {refused.why}")

    def _leaves(self, texts: Texts) -> Iterator[tuple[Place, Any]]:
        for file in self._texts:
            for number, document in enumerate(documents_in(changed(self._texts, texts, file) or "")):
                for path, value in leaves(document.value):
                    if isinstance(value, str) and "\n" in value and file.name in KUSTOMIZATIONS:
                        outer = Place(file, number, path)
                        for inner, each in enumerate(documents_in(value)):
                            for deep, leaf in leaves(each.value):
                                yield replace(outer, inner=(inner, deep)), leaf
                    elif path and path[-1] not in _NOT_TRIED:
                        yield Place(file, number, path), value

    def _whole(self, texts: Texts, layers: Sequence[Layered], step: Step) -> Iterator[Candidate | No]:
        """Yield where an object is written that goes, or beside which one comes."""
        for layer in layers:
            if layer.patch:
                continue
            place = layer.place
            text = changed(self._texts, texts, place.file) or ""
            spot = where(text, place)
            try:
                if step.content is not None:
                    new = with_object(text, place.number, place.path, dict(step.content))
                    yield Candidate({place.file: new}, spot)
                else:
                    yield Candidate(self._without(texts, text, place), spot)
            except Refused as refused:
                yield No(f"{spot}: {refused.why}")
        if not any(not layer.patch for layer in layers):
            yield No("it is made by a generator, or by something that is not here")

    def _without(self, texts: Texts, text: str, place: Place) -> dict[Path, str | None]:
        """Take an object out; a file in which nothing is left goes with every line that names it."""
        shorter = without(text, place.number, place.path)
        if shorter:
            return {place.file: shorter}
        found: dict[Path, str | None] = {place.file: None}
        for entry in self._entries(texts, place.file):
            kustomization = found.get(entry.file) or changed(self._texts, texts, entry.file) or ""
            found[entry.file] = edited_at(kustomization, replace(entry, path=()), [Remove(entry.path)])
        return found


_NOT_TRIED: Final = frozenset({*NAMES, "kind", "apiVersion"} - {"value"})


def _is_object(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("kind"), str)
        and isinstance(content.get("apiVersion"), str)
        and isinstance(content.get("metadata"), dict)
    )
