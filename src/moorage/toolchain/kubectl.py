"""Reading a cluster as a person reaches it: by a kubeconfig, with its plugins, proxies and certificates."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from moorage.commands import run
from moorage.errors import MoorageError
from moorage.toolchain import locate

SECONDS: Final = 120


def kubectl(
    *arguments: str,
    context: str,
    kubeconfig: str,
    error: type[MoorageError],
    unknown: Collection[str] = (),
    partial: bool = False,
) -> str | None:
    """Ask a cluster, and return the answer.

    Args:
        arguments: what is asked.
        context: the cluster, as the kubeconfig calls it; empty for the current one.
        kubeconfig: the file; empty for kubectl's own.
        error: what is raised when there is no answer.
        unknown: what kubectl says of what the cluster does not have; the answer is then ``None``.
        partial: whether what it did say counts although it failed.

    Raises:
        MoorageError: of that kind: kubectl does not run, or the cluster does not answer, or refuses.
    """
    command = [
        str(locate("kubectl")),
        *((f"--kubeconfig={kubeconfig}",) if kubeconfig else ()),
        *((f"--context={context}",) if context else ()),
        "--request-timeout=60s",
        *arguments,
    ]
    done = run(command, seconds=SECONDS, late=f"the cluster does not answer within {SECONDS} s", error=error)
    if done.returncode == 0:
        return done.stdout
    said = " ".join(done.stderr.split()).removeprefix("error: ")
    if any(words in said for words in unknown):
        return None
    if partial and done.stdout:
        return done.stdout
    about = f"context {context}" if context else "the cluster"
    raise error(
        f"{about} cannot be read: {said or 'kubectl fails without a word'}",
        hint="`kubectl config get-contexts` shows the contexts that there are",
    )
