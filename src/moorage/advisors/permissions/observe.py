"""Where RBAC objects are read: manifests, dumps, or a live cluster through kubectl."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from moorage.advisors.permissions.model import Place, Rbac
from moorage.advisors.permissions.parsing import Document, RbacError, parse
from moorage.toolchain.kubectl import kubectl

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_RESOURCES: Final = "roles,clusterroles,rolebindings,clusterrolebindings,serviceaccounts"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class _Loader(_Base):  # type: ignore[misc]
    """YAML without timestamps: Kubernetes knows none, they stay the text they are."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def read_files(paths: Sequence[str]) -> Rbac:
    """Read RBAC objects from files, folders, or (``-``) standard input.

    Raises:
        RbacError: a file cannot be read, or none has any RBAC object.
    """
    rbac = parse((document for path in paths for document in _documents(path)), origin=", ".join(paths))
    if not rbac.roles and not rbac.bindings:
        raise RbacError(
            f"{', '.join(paths)}: there is no RBAC object here",
            hint=f"`kubectl get {_RESOURCES} -A -o yaml` writes all that there are",
        )
    return rbac


def read_cluster(context: str, kubeconfig: str = "") -> Rbac:
    """Read the RBAC objects and the ServiceAccounts of a cluster.

    Raises:
        RbacError: the cluster does not answer, or may not be read.
    """
    answer = kubectl(
        *("get", _RESOURCES, "--all-namespaces", "--output=json"),
        context=context,
        kubeconfig=kubeconfig,
        error=RbacError,
    )
    return parse([(json.loads(answer or ""), Place())], origin=f"context {context}", complete=True)


def _documents(path: str) -> Iterator[Document]:
    if path == "-":
        yield from _parsed(sys.stdin.buffer.read(), "standard input")
        return
    place = Path(path)
    if not place.is_dir():
        yield from _parsed(_content(place), path)
        return
    for root, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(root, name)
            if file.suffix in SUFFIXES and not name.startswith("."):
                yield from _parsed(_content(file), str(file))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RbacError(f"{file}: {(error.strerror or str(error)).lower()}") from error


def _parsed(text: bytes, file: str) -> Iterator[Document]:
    if text.lstrip()[:1] == b"{":
        try:
            yield json.loads(text), Place(file, 1)
        except ValueError:
            pass  # several objects, or YAML in flow style
        else:
            return
    try:
        loader = _Loader(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                content = loader.construct_document(node)
                if isinstance(content, dict):
                    yield content, Place(file, node.start_mark.line + 1)
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else file
        raise RbacError(f"{where}: this is not YAML: {getattr(error, 'problem', None) or error}") from error
