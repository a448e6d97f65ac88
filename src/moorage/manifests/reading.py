"""Reading everything that was named: each object knows where it was written."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from moorage.manifests.discover import KUSTOMIZATIONS, Found, What, discover
from moorage.manifests.documents import BrokenManifestError, Document, decode
from moorage.manifests.model import InputError, Item, Manifest, Problem, Where
from moorage.manifests.parsed import Parsed
from moorage.manifests.rendering import (
    ChartOptions,
    Release,
    release_name,
    render_chart,
    render_kustomization,
)

RENDERERS: Final = 4
DEFAULT_NAMESPACE: Final = "default"
AS_THEY_ARE: Final = ChartOptions()
_SHOWN_FILES: Final = 3


class Reading:
    """Reads what is named. What cannot be read becomes a problem, and the rest is read all the same.

    Args:
        namespace: where charts are installed.
        charts: how they are rendered.
        parsed: reads the texts, and remembers what they say.
        worth: says whether a text that nobody named has to be read at all; every one without.

    Attributes:
        problems: what could not be read so far.
    """

    def __init__(
        self,
        parsed: Parsed,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        charts: ChartOptions = AS_THEY_ARE,
        worth: Callable[[str], bool] | None = None,
    ) -> None:
        self._worth = worth
        self._namespace = namespace
        self._charts = charts
        self._parsed = parsed
        self.problems: list[Problem] = []
        self._aside: dict[str, None] = {}
        self._doubled: list[str] = []

    def items(self, paths: Iterable[str]) -> list[Item]:
        """Return the objects in some paths, each path once."""
        found: dict[tuple[What, Path], Found] = {}
        for path in dict.fromkeys(paths):
            for each in discover(path):
                if isinstance(each, InputError):
                    self.problems.append(Problem(each, Where(path)))
                else:
                    found.setdefault((each.what, each.path), each)
        return [item for manifest in self._manifests(found.values()) for item in self._read(manifest)]

    def notes(self) -> Iterator[str]:
        """Say what a person should know about what was read."""
        yield from self._doubled
        if self._aside:
            files = list(self._aside)
            more = len(files) - _SHOWN_FILES
            shown = ", ".join(files[:_SHOWN_FILES]) + (f" and {more} more" if more > 0 else "")
            yield f"nothing for Kubernetes in {shown}"

    def _manifests(self, found: Iterable[Found]) -> Iterator[Manifest]:
        """Yield the texts, in order; programs that render run side by side, as long as files are read."""
        with ThreadPoolExecutor(RENDERERS) as pool:
            started = [
                (each, [] if each.what in {What.FILE, What.STDIN} else [
                    pool.submit(self._render, each, release) for release in self._releases(each)
                ])
                for each in found
            ]  # fmt: skip
            for each, renders in started:
                try:
                    if not renders:
                        yield self._file(each)
                    for render in renders:
                        yield render.result()
                except InputError as error:
                    self.problems.append(Problem(error, Where(_shown(each))))
                    for render in renders:
                        render.cancel()

    def _releases(self, found: Found) -> Sequence[Release]:
        return self._charts.releases if found.what is What.CHART else (Release(),)

    def _render(self, found: Found, release: Release) -> Manifest:
        shown = _shown(found)
        if found.what is What.KUSTOMIZATION:
            return Manifest(shown, render_kustomization(found.path), rendered=True)
        text = render_chart(found.path, release, self._charts, namespace=self._namespace)
        name = release_name(found.path, release)
        return Manifest(f"{shown} (release {name})", text, rendered=True, root=str(found.path))

    def _file(self, found: Found) -> Manifest:
        shown = _shown(found)
        try:
            if found.what is What.STDIN:
                content = sys.stdin.buffer.read()
            else:
                mode = found.path.stat().st_mode
                if not found.asked and not stat.S_ISREG(mode):
                    return Manifest(shown, "", asked=False)  # a pipe or a device would be waited for for ever
                content = found.path.read_bytes()
            return Manifest(shown, decode(content), asked=found.asked)
        except OSError as error:
            raise InputError(f"{shown}: {(error.strerror or str(error)).lower()}") from error
        except BrokenManifestError as error:
            raise InputError(f"{Where(shown, _line(error.line))}: {error.problem}") from error

    def _read(self, manifest: Manifest) -> Iterator[Item]:
        # Who names a file wants to hear when it is broken, whatever is in it.
        named = manifest.asked and not manifest.rendered
        if self._worth is not None and not self._worth(manifest.text) and not named:
            return
        before = len(self.problems)
        some = False
        for found in self._parsed.documents(manifest.text):
            some = True
            if isinstance(found, BrokenManifestError):
                self._complain(manifest, found)
            else:
                yield from self._objects(manifest, found)
        if not some and manifest.asked and len(self.problems) == before:
            self.problems.append(
                Problem(InputError(f"{manifest.shown}: there is nothing in it"), Where(manifest.shown))
            )

    def _objects(self, manifest: Manifest, document: Document) -> Iterator[Item]:
        for key, line in document.duplicates:
            place = manifest.line_at(document.begin) + line + 1
            self._doubled.append(
                f"{manifest.shown}:{place}: the key {key!r} is there twice; the last one counts"
            )
        for content, path in unroll(document.value):
            item = Item(content, manifest, document.begin, document.end, path)
            problem = _not_an_object(content)
            if problem is None:
                yield item
            elif _says_nothing(content) and not manifest.asked:
                self._aside[manifest.shown] = None
            else:
                from moorage.manifests.places import where

                spot = where(item)
                self.problems.append(Problem(InputError(f"{spot}: {problem}"), spot))

    def _complain(self, manifest: Manifest, error: BrokenManifestError) -> None:
        column = None if error.column is None else error.column + 1
        place = Where(manifest.shown, _line(error.line), column if error.line is not None else None)
        self.problems.append(Problem(InputError(f"{place}: this is not YAML: {error.problem}"), place))


def unroll(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, tuple[str | int, ...]]]:
    """Yield the objects in a document with their paths: those of a List, and of Lists in it, one by one."""
    items = value.get("items") if isinstance(value, Mapping) else None
    kind = str(value.get("kind", "")) if isinstance(value, Mapping) else ""
    if not isinstance(items, list) or not kind.endswith("List"):
        yield value, path
        return
    of_one_kind = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
    for index, item in enumerate(items):
        if kind != "List" and isinstance(item, Mapping) and "kind" not in item:
            item = {**of_one_kind, **item}  # noqa: PLW2901 - the items of a typed list leave out what they are
        yield from unroll(item, (*path, "items", index))


def _not_an_object(content: Any) -> str | None:
    if not isinstance(content, dict):
        return f"this is not an object of Kubernetes, but {_WORDS.get(type(content), 'a number')}"
    for name in ("apiVersion", "kind"):
        if not isinstance(content.get(name), str) or not content[name]:
            return f"this is not an object of Kubernetes: it has no {name}"
    metadata = content.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        return f"{content['kind']}: metadata is not an object"
    for name in ("name", "namespace"):
        if metadata and metadata.get(name) is not None and not isinstance(metadata[name], str):
            return f"{content['kind']}: metadata.{name} is not text; put it in quotes"
    for name in ("labels", "annotations"):
        problem = _not_texts(metadata.get(name)) if metadata else None
        if problem:
            return f"{content['kind']}: metadata.{name}{problem}"
    return None


_WORDS: Final[dict[type, str]] = {list: "a list", str: "text", bool: "true or false"}


def _not_texts(labels: Any) -> str | None:
    if labels is None:
        return None
    if not isinstance(labels, dict):
        return " is not an object"
    wrong = next((key for key, value in labels.items() if not isinstance(value, str | None)), None)
    return None if wrong is None else f"[{wrong}] is not text; put it in quotes"


def _says_nothing(content: Any) -> bool:
    """Say whether something does not even pretend to be an object of Kubernetes."""
    return not isinstance(content, dict) or not ("apiVersion" in content and "kind" in content)


def _shown(found: Found) -> str:
    if found.what is What.STDIN:
        return "standard input"
    if found.what is What.KUSTOMIZATION:
        names = [name for name in KUSTOMIZATIONS if (found.path / name).is_file()]
        return str(found.path / names[0]) if names else str(found.path)
    return str(found.path)


def _line(line: int | None) -> int | None:
    return None if line is None else line + 1
