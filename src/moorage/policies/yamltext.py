"""YAML as Kubernetes reads it, for the files of a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from moorage.policies.model import LibraryError, Place

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(_Base):  # type: ignore[misc]
    """YAML without timestamps: Kubernetes knows none, they stay the text they are."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def documents(text: bytes, file: str) -> Iterator[tuple[dict[str, Any], Place]]:
    """Yield the documents of a file that say something, each with where it begins.

    Args:
        text: of the file.
        file: its name as it is shown to a person.

    Raises:
        LibraryError: it is not YAML, or a document is not an object.
    """
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        raise _broken(error, file) from error
    try:
        while loader.check_node():
            node = loader.get_node()
            found = loader.construct_document(node)
            place = Place(file, node.start_mark.line + 1)
            if found is None:
                continue
            if not isinstance(found, dict):
                raise LibraryError(f"{place}: a document is an object, not {type(found).__name__}")
            yield found, place
    except yaml.YAMLError as error:
        raise _broken(error, file) from error
    finally:
        loader.dispose()


def _broken(error: yaml.YAMLError, file: str) -> LibraryError:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
    return LibraryError(f"{place}: this is not YAML: {what}")
