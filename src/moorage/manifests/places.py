"""Where an object, and the field that a message is about, were written.

Nothing here is done while manifests are read: it costs more than reading them, and is wanted only of what
breaks a policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from moorage.manifests.documents import BrokenManifestError
from moorage.manifests.model import Item, Manifest, Object, Where
from moorage.manifests.tree import Node, compose, find

_SOURCE: Final = re.compile(r"^# Source: (\S+)$", re.MULTILINE)
_CONTENT: Final = re.compile(r"^(?![ \t]*(?:#|$|---))", re.MULTILINE)
_CONTAINER: Final = re.compile(r'(?P<list>[a-z]*)[ -]?container "(?P<name>[^"]*)"')
_FIELD: Final = re.compile(r"(?<![\w\"./-])[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[[^\]]*\])*")
_STEP: Final = re.compile(r"([A-Za-z_][\w-]*)|\[([^\]]*)\]")
_CONTAINER_LISTS: Final = {
    "": ("containers", "initContainers", "ephemeralContainers"),
    "init": ("initContainers",),
    "ephemeral": ("ephemeralContainers",),
}
_TREES_KEPT: Final = 64

Path_ = tuple[str | int, ...]


def where(item: Item) -> Where:
    """Return where an object was written."""
    manifest = item.manifest
    if manifest.rendered:
        return Where(_template(item) or manifest.shown)
    if item.path:
        node = _node(item, ())
        if node is not None:
            return _at(manifest, item, node)
    match = _CONTENT.search(manifest.text, item.begin, item.end)
    return Where(manifest.shown, manifest.line_at(match.start() if match else item.begin) + 1)


def field_where(item: Item, message: str, *, made: bool = False) -> Where | None:
    """Return where the field that a message is about was written; ``None`` where there is no telling.

    Args:
        item: the object that the message is about.
        message: a policy's, which names containers in quotes and fields by their paths.
        made: whether it is about what the object makes: its Pod, or the Job of a CronJob.
    """
    if item.manifest.rendered:
        return None
    path = field_path(item.content, message, made=made)
    node = _node(item, path) if path else None
    return None if node is None else _at(item.manifest, item, node)


def field_path(content: Object, message: str, *, made: bool = False) -> Path_:
    """Return the path of the field that a message is about, as far as it exists; empty where there is none.

    Of the fields that a message names, the first one counts of which something is there.
    """
    roots = list(_roots(content, message, made=made))
    best: Path_ = ()
    for match in _FIELD.finditer(_unquoted(message)):
        steps = _steps(match[0])
        for root in roots:
            path = _existing(content, root, steps)
            if len(path) > len(root):
                return path
    for root in roots:
        if len(root) > len(best):
            best = root
    return best if _CONTAINER.search(message) else ()


def _roots(content: Object, message: str, *, made: bool) -> Iterator[Path_]:
    """Yield the paths that the fields of a message may begin at, the most specific first."""
    pod = pod_path(content)
    if pod is not None:
        for match in _CONTAINER.finditer(message):
            for name in _CONTAINER_LISTS.get(match["list"], _CONTAINER_LISTS[""]):
                containers = _value(content, (*pod, name))
                if isinstance(containers, list):
                    for index, container in enumerate(containers):
                        if isinstance(container, dict) and container.get("name") == match["name"]:
                            yield (*pod, name, index)
        if made:
            yield pod[:-1]
            yield pod
    yield ()
    if pod is not None and not made:
        yield pod
    yield ("spec",)
    yield ("metadata",)


def pod_path(content: Object) -> Path_ | None:
    """Return where the specification is of the Pod that an object is or makes; ``None`` for no Pod."""
    paths: tuple[Path_, ...] = (
        ("spec", "jobTemplate", "spec", "template", "spec"),
        ("spec", "template", "spec"),
        ("template", "spec"),
    )
    for path in paths:
        if isinstance(_value(content, path), dict):
            return path
    return ("spec",) if content.get("kind") == "Pod" else None


def _steps(field: str) -> Path_:
    steps: list[str | int] = []
    for name, index in _STEP.findall(field):
        text = name or index.strip("\"'")
        steps.append(int(text) if not name and text.isdigit() else text)
    return tuple(steps)


def _existing(content: Object, root: Path_, steps: Path_) -> Path_:
    """Return the path of some steps from a root, as far as something is there."""
    path = root
    for step in steps:
        place: str | int = step
        value = _value(content, path)
        if isinstance(step, str) and isinstance(value, list):  # containers[web]
            names = [item.get("name") if isinstance(item, dict) else None for item in value]
            if step not in names:
                return path
            place = names.index(step)
        elif isinstance(value, dict):
            if step not in value:
                return path
        elif not (isinstance(step, int) and isinstance(value, list) and step < len(value)):
            return path
        path = (*path, place)
    return path


def _value(content: Any, path: Path_) -> Any:
    for step in path:
        if isinstance(step, str) and isinstance(content, dict):
            content = content.get(step)
        elif isinstance(step, int) and isinstance(content, list) and step < len(content):
            content = content[step]
        else:
            return None
    return content


def _unquoted(message: str) -> str:
    """Return a message without what it quotes, which are values and names."""
    return re.sub(r'"[^"]*"', '""', message)


def _node(item: Item, path: Sequence[str | int]) -> Node | None:
    root = _tree(item.manifest, item.begin, item.end)
    return None if root is None else find(root, (*item.path, *path))


@lru_cache(maxsize=_TREES_KEPT)
def _tree(manifest: Manifest, begin: int, end: int) -> Node | None:
    try:
        return compose(manifest.text[begin:end].removeprefix("\ufeff"))
    except BrokenManifestError:
        return None  # JSON that YAML does not read: the line of the object has to do


def _at(manifest: Manifest, item: Item, node: Node) -> Where:
    before = manifest.line_at(item.begin)
    column = node.column
    if node.line == 0:  # a document may begin in the middle of a line: JSON after JSON
        column += item.begin - (manifest.text.rfind("\n", 0, item.begin) + 1)
    return Where(manifest.shown, before + node.line + 1, column + 1)


def _template(item: Item) -> str | None:
    """Return the file of the template that Helm says a document is from."""
    match = _SOURCE.search(item.manifest.text, item.begin, item.end)
    if match is None or not item.manifest.root:
        return None
    _, _, inside = match[1].partition("/")
    path = Path(item.manifest.root, inside)
    return str(path) if path.is_file() else None
