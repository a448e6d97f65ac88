"""What the operator asks its child that reads metrics, and what that answers: JSON on a pipe.

Nothing here needs more than the standard library and msgspec: the operator imports it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from moorage.advisors.advice import Advice
from moorage.errors import MoorageError

NO_METRICS: Final = "NoMetrics"
COLLECTING: Final = "Collecting"


class WireError(MoorageError):
    """What came through the pipe is not what was expected."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where metrics are, and as whom it is asked for them.

    Args:
        url: that below which ``/api/v1/query`` is.
        selector: what chooses the series of one cluster: ``cluster_id="one"``.
        ca: a file of certificates that are trusted instead of the system's.
        headers: sent with every request; they are a secret.
    """

    url: str
    selector: str
    ca: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A container of a workload that asks for nothing."""

    namespace: str
    kind: str
    name: str
    container: str
    image: str


class Source(StrEnum):
    """Where a proposal comes from."""

    HISTORY = "history"
    """From what was used under the same name."""
    SIBLINGS = "siblings"
    """From other workloads of the cluster that run the same image."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a newcomer should ask for.

    Args:
        newcomer: which one.
        cpu: a quantity; empty where nothing can be said.
        memory: a quantity; empty where nothing can be said.
        source: where that comes from.
        of: from how many containers.
    """

    newcomer: Newcomer
    cpu: str
    memory: str
    source: Source
    of: int = 1


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one cluster.

    Args:
        cluster: what it is called, for people.
        kubeconfig: how it is read: what a kubeconfig says; empty where ``kubeconfig_file`` does.
        kubeconfig_file: a file of this machine that says it.
        store: where its metrics are.
        now: until when use counts.
        window: how many seconds of history advice is to rest on.
        machine_types: the MachineTypes that say what things cost.
        newcomers: for whom requests are to be proposed; without any, advice is asked for.
    """

    cluster: str
    store: Store
    now: datetime
    window: float
    kubeconfig: dict[str, Any] = field(default_factory=dict, repr=False)
    kubeconfig_file: str = ""
    machine_types: tuple[dict[str, Any], ...] = ()
    newcomers: tuple[Newcomer, ...] = ()


@dataclass(frozen=True, slots=True)
class Quiet:
    """That there is nothing to say yet; the fields are those of the controller's ``Silent``."""

    reason: str
    message: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the child says: one of these.

    Args:
        advice: what there is to say about the cluster.
        clean: what is said of it when that is nothing.
        unjudged: subjects of which nothing could be said.
        until: when it may be otherwise, if that is known.
        proposed: what newcomers should ask for.
        quiet: that there is nothing to say yet.
        trouble: why there is no answer.
    """

    advice: Advice | None = None
    clean: str = ""
    unjudged: frozenset[str] = frozenset()
    until: datetime | None = None
    proposed: tuple[Proposed, ...] = ()
    quiet: Quiet | None = None
    trouble: Trouble | None = None


Told = TypeVar("Told", Question, Answer)


def encode(told: Question | Answer) -> bytes:
    """Return a question or an answer as one line."""
    return msgspec.json.encode(told) + b"\n"


def decode(line: bytes, kind: type[Told]) -> Told:
    """Read what `encode` wrote.

    Raises:
        WireError: it is something else.
    """
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"this is no {kind.__name__.lower()}: {error}") from error
