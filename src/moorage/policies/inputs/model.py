"""What is judged, and what judging needs beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moorage.manifests.model import Item, Object, Problem


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that was read.

    Args:
        items: the objects to judge, in the order in which they were found.
        namespaces: every known namespace by its name, wherever it was read.
        exceptions: the PolicyExceptions, wherever they were read.
        inventory: objects of a live cluster that policies may read beside those to judge.
        problems: what could not be read.
        notes: what a person should know: a key that is there twice, a file that says nothing to Kubernetes.
    """

    items: Sequence[Item] = ()
    namespaces: Mapping[str, Object] = field(default_factory=dict)
    exceptions: Sequence[Item] = ()
    inventory: Sequence[Object] = ()
    problems: Sequence[Problem] = ()
    notes: Sequence[str] = ()
