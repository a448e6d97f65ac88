"""Where the policies of a command come from."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from moorage.cli._flags import Flag, Takes
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from moorage.cache import Cache
    from moorage.policies.inputs.cluster import Cluster
    from moorage.policies.model import Action, Library

KEYS = "MOORAGE_POLICY_KEYS"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

LIBRARY_FLAGS = (
    Flag(
        "image",
        ("--image",),
        "A bundle of policies, by reference or as a file, in place of Moorage's own; repeatable.",
        "REF",
        Takes.TEXTS,
    ),
    Flag(
        "policies", ("--policies",), "A folder of policies beside the others; repeatable.", "DIR", Takes.TEXTS
    ),
    Flag(
        "builtin",
        ("--builtin",),
        "Whether Moorage's own policies are there, where no --image is.",
        takes=Takes.YES_OR_NO,
        default=True,
    ),
    Flag(
        "key",
        ("--key",),
        "A public key; bundles have to be signed by one of those that are given.",
        "FILE",
        Takes.TEXTS,
        variable=KEYS,
    ),
    Flag(
        "offline",
        ("--offline",),
        "Be content with bundles that were pulled before; ask nobody.",
        takes=Takes.NOTHING,
    ),
)


def read_libraries(
    policies: Sequence[str] | None,
    images: Sequence[str] | None,
    *,
    keys: Sequence[str] | None = None,
    offline: bool = False,
    builtin: bool = True,
    cache: Cache | None = None,
) -> list[Library]:
    """Read the libraries that are named; Moorage's own first, where no bundle is in its place.

    Raises:
        MoorageError: one of them cannot be had, is not signed as it has to be, or there is none.
    """
    from pathlib import Path

    from moorage.policies.load import builtin_library_path, load_library

    found: list[Library] = []
    if keys and not images and list(keys) != [os.environ.get(KEYS)]:
        raise MoorageError(
            "--key checks who signed a bundle, and no bundle is named", hint="name it with --image"
        )
    if builtin and not images:
        found.append(load_library(builtin_library_path(), cache=cache))
    found.extend(_pulled(images or (), keys or (), offline=offline))
    found.extend(load_library(Path(folder), cache=cache) for folder in policies or ())
    if not found:
        raise MoorageError("no policies are named", hint="name some with --policies or --image")
    return found


def _pulled(images: Sequence[str], keys: Sequence[str], *, offline: bool) -> list[Library]:
    if not images:
        return []
    from moorage.cli._run import run
    from moorage.policies.bundles.sources import open_source
    from moorage.policies.bundles.transfer import trusted

    trust = trusted(list(keys), "")

    async def work() -> list[Library]:
        return [(await open_source(image, trust=trust, offline=offline)).library for image in images]

    return run(work())


def check_namespace(name: str) -> None:
    """Refuse what cannot be the name of a namespace.

    Raises:
        MoorageError: it cannot.
    """
    if not _NAMESPACE.fullmatch(name):
        raise MoorageError(
            f"--namespace {name}: no namespace can be called that",
            hint="lower case letters, digits and hyphens",
        )


def cluster_of(context: str | None, kubeconfig: str | None) -> Cluster | None:
    """Return the cluster that is named; ``None`` where none is.

    Raises:
        MoorageError: a kubeconfig is named, and no context of it.
    """
    if context is None:
        if kubeconfig:
            raise MoorageError("--kubeconfig alone asks no cluster", hint="say --context, too")
        return None
    from moorage.policies.inputs.cluster import Cluster

    return Cluster(context, kubeconfig or "")


def parse_floor(texts: Sequence[str] | None) -> dict[str, Action]:
    """Read ``SET`` or ``SET=ACTION`` texts; a set alone is enforced.

    Raises:
        MoorageError: an action is none.
    """
    from moorage.policies.model import Action

    found: dict[str, Action] = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        try:
            action = Action(value or Action.ENFORCE)
        except ValueError:
            raise MoorageError(
                f"--set {text}: {value} is not an action", hint=f"write {name}={'|'.join(Action)}"
            ) from None
        stronger = found.get(name)
        found[name] = action if stronger is None or action.strength > stronger.strength else stronger
    return found
