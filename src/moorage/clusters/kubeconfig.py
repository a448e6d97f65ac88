"""Kubeconfigs for people: built, and merged into the one that they have."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from moorage.errors import MoorageError
from moorage.files import PRIVATE_FILE, private_folder, replace_file

Kubeconfig = dict[str, Any]

EXEC_API_VERSION = "client.authentication.k8s.io/v1"
_LOCK_SECONDS = 5.0
_LOCK_INTERVAL_SECONDS = 0.05
_LISTS = ("clusters", "users", "contexts")


class KubeconfigFileError(MoorageError):
    """A kubeconfig that is there already and cannot be added to."""


@dataclass(frozen=True, slots=True)
class Server:
    """An API server and the authority that vouches for it (PEM)."""

    url: str
    authority: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """The command that a client runs for a token, whenever the one it has runs out.

    Args:
        argv: the program and its arguments.
        environment: variables that it needs beside the client's own.
    """

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def with_command(name: str, server: Server, command: Command, *, namespace: str | None = None) -> Kubeconfig:
    """Return a kubeconfig that holds no secret: a token is asked for when it is needed, and lives an hour.

    Args:
        name: of the context, the cluster and the user.
        server: the API server.
        command: gives the tokens.
        namespace: that commands are about when they name none.
    """
    program, *arguments = command.argv
    exec_plugin: dict[str, Any] = {
        "apiVersion": EXEC_API_VERSION,
        "command": program,
        "args": arguments,
        "interactiveMode": "Never",
        "installHint": "install Moorage: `pip install moorage`",
        "provideClusterInfo": False,
    }
    if command.environment:
        exec_plugin["env"] = [{"name": key, "value": value} for key, value in command.environment.items()]
    return _single(name, server, {"exec": exec_plugin}, namespace=namespace)


def renamed(kubeconfig: Kubeconfig, name: str) -> Kubeconfig:
    """Return the current context of a kubeconfig alone, with its context, cluster and user named anew.

    Raises:
        KubeconfigFileError: it has no current context.
    """
    context = _find(kubeconfig, "contexts", kubeconfig.get("current-context"), "context")
    cluster = _find(kubeconfig, "clusters", context.get("cluster"), "cluster")
    user = _find(kubeconfig, "users", context.get("user"), "user")
    named = {**context, "cluster": name, "user": name}
    return _config(name, cluster, user, named)


def merged(existing: Kubeconfig | None, added: Kubeconfig) -> Kubeconfig:
    """Return a kubeconfig with another one's entries in it, and the other's context as the current one.

    Entries of the same name are replaced where they are; everything else stays as it is, in its order.
    """
    if not existing:
        return added
    result = {**existing, "current-context": added["current-context"]}
    for kind in _LISTS:
        new = {entry["name"]: entry for entry in added[kind]}
        kept = [new.pop(entry.get("name"), entry) for entry in existing.get(kind) or ()]
        result[kind] = [*kept, *new.values()]
    return result


def read(path: Path) -> Kubeconfig | None:
    """Return a kubeconfig's content, or ``None`` where there is no file or nothing in it.

    Raises:
        KubeconfigFileError: it is something else, or cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise KubeconfigFileError(
            f"{path} cannot be read: {_first_line(error)}", hint="name another file with `--output FILE`"
        ) from error
    if content is None:
        return None
    lists = isinstance(content, dict) and all(isinstance(content.get(kind) or [], list) for kind in _LISTS)
    if not lists or content.get("kind", "Config") != "Config":
        raise KubeconfigFileError(
            f"{path} is not a kubeconfig", hint="name another file with `--output FILE`"
        )
    kubeconfig: Kubeconfig = content
    return kubeconfig


def write(path: Path, kubeconfig: Kubeconfig) -> None:
    """Write a kubeconfig for its owner's eyes only, whole or not at all. A link is followed.

    Raises:
        KubeconfigFileError: the folder cannot be written.
    """
    target = path.resolve()
    try:
        private_folder(target.parent)
        replace_file(target, render(kubeconfig))
    except OSError as error:
        raise KubeconfigFileError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="name another file with `--output FILE`",
        ) from error


def merge_into(path: Path, added: Kubeconfig) -> None:
    """Add to the kubeconfig in a file; two at once (ours, or kubectl's) do not lose one another's entries.

    Raises:
        KubeconfigFileError: the file is no kubeconfig, is locked by somebody else, or cannot be written.
    """
    target = path.resolve()
    try:
        private_folder(target.parent)
        with _locked(target):
            write(target, merged(read(target), added))
    except FileExistsError as error:
        raise KubeconfigFileError(
            f"{path} is being changed by another program",
            hint=f"if none is running, remove {error.filename}",
        ) from error


def render(kubeconfig: Kubeconfig) -> str:
    """Write a kubeconfig's text."""
    head = {"apiVersion": "v1", "kind": "Config"}
    text: str = yaml.safe_dump({**head, **kubeconfig}, sort_keys=False)
    return text


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the kubeconfig that kubectl would add to: the first that KUBECONFIG names, or the user's own."""
    named = next((part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part), None)
    return Path(named).expanduser() if named else Path.home() / ".kube" / "config"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock that kubectl holds while it changes a kubeconfig: a file that can be made only once."""
    lock = path.with_name(f"{path.name}.lock")
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
            break
        except FileExistsError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_LOCK_INTERVAL_SECONDS)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _single(name: str, server: Server, user: Mapping[str, Any], *, namespace: str | None) -> Kubeconfig:
    cluster = {
        "server": server.url,
        "certificate-authority-data": b64encode(server.authority).decode(),
    }
    context = {"cluster": name, "user": name}
    if namespace:
        context["namespace"] = namespace
    return _config(name, cluster, user, context)


def _config(
    name: str, cluster: Mapping[str, Any], user: Mapping[str, Any], context: Mapping[str, Any]
) -> Kubeconfig:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": dict(cluster)}],
        "users": [{"name": name, "user": dict(user)}],
        "contexts": [{"name": name, "context": dict(context)}],
        "current-context": name,
    }


def _find(kubeconfig: Kubeconfig, kind: str, name: str | None, field_name: str) -> dict[str, Any]:
    for entry in kubeconfig.get(kind) or ():
        if entry.get("name") == name:
            found: dict[str, Any] = entry.get(field_name) or {}
            return found
    raise KubeconfigFileError(f'the kubeconfig has no {field_name} "{name}"')


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, yaml.YAMLError | UnicodeDecodeError):
        return "it is not YAML"
    return (str(error).splitlines() or [type(error).__name__])[0]
