"""Finding the sources at the paths that a person names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from moorage.advisors.sources.helm import Chart
from moorage.advisors.sources.kustomize import Kustomizations
from moorage.advisors.sources.model import Source
from moorage.advisors.sources.plain import PlainFiles
from moorage.errors import MoorageError
from moorage.manifests.discover import Found, What, discover
from moorage.manifests.editing.editing import documents_of
from moorage.manifests.editing.refusal import Refused
from moorage.manifests.model import InputError
from moorage.manifests.rendering import Release


def sources_at(
    paths: Sequence[str], *, release: Release, namespace: str, stack: ExitStack, notes: list[str]
) -> list[Source]:
    """Return the sources at some paths.

    Args:
        paths: what a person named.
        release: how charts are installed.
        namespace: where.
        stack: to it belong the folders in which sources are tried out.
        notes: what a person should know about what was not read is added to it.

    Raises:
        MoorageError: a path cannot be read.
    """
    found: dict[tuple[What, Path], Found] = {}
    for path in paths:
        for each in discover(path):
            if isinstance(each, InputError):
                raise each
            found.setdefault((each.what, each.path.resolve()), each)
    sources: list[Source] = []
    if files := dict(_files([each for each in found.values() if each.what is What.FILE], notes)):
        sources.append(PlainFiles(files))
    folders = [each.path for each in found.values() if each.what is What.KUSTOMIZATION]
    sources += Kustomizations.at(folders, stack)
    charts = [each.path for each in found.values() if each.what is What.CHART]
    sources += [Chart.at(path, release, namespace, stack) for path in charts]
    if any(each.what is What.STDIN for each in found.values()):
        raise MoorageError("standard input is no file that could be patched", hint="name files or folders")
    return sources


def _files(found: Sequence[Found], notes: list[str]) -> Iterator[tuple[Path, str]]:
    for each in found:
        if not each.path.is_file():
            continue
        try:
            text = each.path.read_bytes().decode()
            documents_of(text)
        except OSError as error:
            raise MoorageError(f"{each.path}: {(error.strerror or str(error)).lower()}") from error
        except (UnicodeDecodeError, Refused) as error:
            notes.append(f"{each.path} is not read: {error}")
            continue
        yield each.path, text
